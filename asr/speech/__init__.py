"""Speech recognition: data, network, losses, training, recognition, streaming, alignment, export."""
