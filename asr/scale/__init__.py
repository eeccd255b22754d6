"""Jobs on Ray: past one process and one machine."""
