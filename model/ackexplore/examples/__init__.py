"""Systems that are not of this project: how to have a model of your own explored."""
