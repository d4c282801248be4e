"""Search by similarity in the latent space of the VAE (paper, section III.B)."""
