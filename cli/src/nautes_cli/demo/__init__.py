"""`nautes demo`: the main job of the platform from an empty folder to a run, shown as it happens."""
