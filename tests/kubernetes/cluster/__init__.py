"""Scenes on a real cluster; `tests/kubernetes/run` plays them."""
