"""Bills of materials of images: their Debian packages and Python distributions, with licences."""
