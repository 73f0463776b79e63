"""
FIX data dictionaries, compiled once into tables: begin with `dictionary`.

`xml_reader` reads QuickFIX's XML format, `plans` judges sequences of tags, `formats` values. `rules_of_engagement` and
`venue_fields` are what this venue speaks, from which `configs/fix/*.xml` are written.
"""
