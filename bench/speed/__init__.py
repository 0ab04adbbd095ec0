"""What a denoiser call and a posterior sample cost, and how much of the device they use."""
