from ._reader import read_nwb as read_nwb
