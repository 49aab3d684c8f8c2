"""The parts of ``on_gpu.py``: each measures one thing and writes its rows as it gets them."""
