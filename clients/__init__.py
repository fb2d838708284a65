"""Programs on users' machines. They know proxyd by its API alone."""
