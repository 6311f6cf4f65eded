"""The page that a reviewer signs before a set is published: see docs/provenance.md."""
