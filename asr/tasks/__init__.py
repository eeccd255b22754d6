"""One file a task: network + loss over :mod:`asr.sequence`."""
