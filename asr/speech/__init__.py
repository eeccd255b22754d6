"""Speech recognition: data, network, training, recognition, streaming, alignment, export."""
