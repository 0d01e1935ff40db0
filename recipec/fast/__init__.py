"""Kernels over whole columns: numpy on Arrow buffers, no Python per row.

Nothing is imported here, so that ``import recipec`` stays cheap: numpy and pyarrow load with the module that needs them.
"""
