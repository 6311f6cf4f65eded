"""`python -m aigc`: the command line where its script is not on the path, as in a cluster's job."""

from aigc.cli import main

main()
