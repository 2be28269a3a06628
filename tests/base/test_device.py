"""The device is found in fit, and what torch is set to is put aside for a while."""

import pytest
import torch

from skneurograph.base._device import resolve_device, usual_torch


@pytest.mark.parametrize(("is_there", "expected"), [(True, "cuda"), (False, "cpu")])
def test_auto_is_cuda_where_there_is_one(is_there, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: is_there)
    assert resolve_device("auto") == torch.device(expected)


def test_names_and_devices_of_torch_are_read(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    for given in ("cpu", "cuda:1", torch.device("cpu")):
        assert resolve_device(given) == torch.device(given)


@pytest.mark.parametrize("given", ["toaster", "", None, 1.5])
def test_what_is_no_device_is_refused_by_name(given):
    with pytest.raises(ValueError, match=r"device: got .*expected 'auto', 'cpu'"):
        resolve_device(given)


def test_a_device_that_is_not_there_is_refused_with_the_one_that_is(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="got 'cuda', but torch sees no CUDA device; use 'auto'"):
        resolve_device("cuda")


@usual_torch()
def fail_as_usual():
    raise RuntimeError("wrong")


def test_torch_is_as_usual_within_and_as_it_was_after_even_after_an_error():
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"), torch.inference_mode():
            with usual_torch():
                weight = torch.ones(2, requires_grad=True)
                assert (weight.dtype, weight.device.type) == (torch.float32, "cpu")
                weight.sum().backward()
                assert weight.grad.tolist() == [1, 1]
            with pytest.raises(RuntimeError, match="wrong"):
                fail_as_usual()
            assert torch.ones(2).dtype == torch.float64
            assert torch.get_default_device().type == "meta"
            assert torch.is_inference_mode_enabled()
    finally:
        torch.set_default_dtype(torch.float32)


def test_gradients_are_recorded_within_and_blocks_may_be_nested():
    with torch.no_grad():
        with usual_torch(), usual_torch():
            assert torch.is_grad_enabled()
        assert not torch.is_grad_enabled()
