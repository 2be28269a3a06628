"""NWB files for tests, written on the spot."""

import datetime

import numpy as np
import pytest

pynwb = pytest.importorskip("pynwb")

N_TIMES, N_NEURONS = 30, 4
NAMES = ["AVAL", "", "RIML", "AVAR", "17"]  # of five regions; the traces show four of them
REGION = [3, 0, 1, 4]
TRACES = np.random.default_rng(0).normal(size=(N_TIMES, N_NEURONS))


class Builder:
    """An NWB file in the making."""

    def __init__(self, path):
        self.path = path
        start = datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)
        self.nwb = pynwb.NWBFile("Worms at rest", "file-7", start)
        self.table = None

    def module(self, name):
        if name not in self.nwb.processing:
            self.nwb.create_processing_module(name, f"data of {name}")
        return self.nwb.processing[name]

    def regions(self, module="ophys", **columns):
        device = self.nwb.create_device("microscope")
        channel = pynwb.ophys.OpticalChannel(
            name="green", description="GCaMP", emission_lambda=510.0
        )
        plane = self.nwb.create_imaging_plane(
            name="head",
            optical_channel=channel,
            description="head",
            device=device,
            excitation_lambda=488.0,
            indicator="GCaMP6s",
            location="head",
        )
        segmentation = pynwb.ophys.ImageSegmentation(name="Segmentation")
        self.module(module).add(segmentation)
        self.table = segmentation.create_plane_segmentation(
            name="Cells", description="cells", imaging_plane=plane
        )
        for i in range(len(NAMES)):
            self.table.add_roi(pixel_mask=[(i, i, 1.0)])
        for name, values in columns.items():
            index = isinstance(values[0], list)
            self.table.add_column(
                name.replace("__", " "), description=name, data=values, index=index
            )
        return self

    def series(self, name="Green", data=TRACES, **timing):
        region = self.table.create_roi_table_region(description="cells", region=REGION)
        timing = timing or {"rate": 2.0}
        return pynwb.ophys.RoiResponseSeries(
            name=name, data=data, rois=region, unit="n.a.", **timing
        )

    def traces(self, *series, module="ophys", container=pynwb.ophys.Fluorescence):
        self.module(module).add(container(roi_response_series=list(series) or [self.series()]))
        return self

    def covariates(self, module="behavior", name="BehavioralTimeSeries", **series):
        container = pynwb.behavior.BehavioralTimeSeries(name=name)
        self.module(module).add(container)
        for label, (data, timing) in series.items():
            container.create_timeseries(name=label, data=data, unit="n.a.", **timing)
        return self

    def intervals(self, rows, name="behavior", module=None, **columns):
        table = pynwb.epoch.TimeIntervals(name=name, description="states")
        for column in columns or {"state": None}:
            table.add_column(column, column)
        for start, stop, *labels in rows:
            table.add_interval(
                start_time=start, stop_time=stop, **dict(zip(columns or ["state"], labels))
            )
        (self.module(module).add if module else self.nwb.add_time_intervals)(table)
        return self

    def labels(self, data, name="state", module="behavior", **timing):
        self.module(module).add(pynwb.TimeSeries(name=name, data=data, unit="n.a.", **timing))
        return self

    def write(self):
        with pynwb.NWBHDF5IO(str(self.path), "w") as io:
            io.write(self.nwb)
        return self.path
