"""Input transforms, one file each: what changes the inputs of every minibatch."""
