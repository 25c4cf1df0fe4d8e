"""Bills of materials of images: which Debian packages and Python distributions they hold, under which licences."""
