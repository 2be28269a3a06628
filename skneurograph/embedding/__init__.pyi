from .marble import MARBLE as MARBLE
from .tavrnn import TAVRNN as TAVRNN
