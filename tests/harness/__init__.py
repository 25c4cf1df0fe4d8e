"""What the tests of images and of the running stack share."""
