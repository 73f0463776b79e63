"""
Recorded order flow: files of real feeds, read into one common stream of rows.

Pure parsers, one per format: `lobster`, `pitch`, `bitstamp`, `cran` and our own `outcry_sample`; each turns lines of
text into `rows.FlowEvent`. `files` opens a file, tells its format from its first line and picks the parser.
`sample.jsonl.gz` is a small recording of our own making, so that everything can be tried anywhere.
"""
