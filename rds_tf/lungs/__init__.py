"""Find the lungs: network, post-processing, segmenter."""
