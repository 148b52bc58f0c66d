"""Physics on arrays: collisions, jets, kinematics and the features of jets."""
