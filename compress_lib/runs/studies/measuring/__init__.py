"""What measures the cells of studies; needs torch, unlike the studies themselves."""
