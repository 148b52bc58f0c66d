"""Trigger-style inference: the network inside the event loop, without TensorFlow.

`load` gives the network of a run as an object that scores and decides, one event or many;
`hepnn trigger` replays events at a rate, decides, writes what is accepted, and accounts for
every event.
"""

from __future__ import annotations

from hepnn.trigger.inference import Trigger, load
from hepnn.trigger.menu import Menu, load_menu

__all__ = ["Menu", "Trigger", "load", "load_menu"]
