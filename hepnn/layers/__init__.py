"""Keras layers that architectures need and Keras does not have."""
