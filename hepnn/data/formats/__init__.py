"""The formats that a card's `source` can name: one row and one module each.

A row names a function `(source, path) -> Reader`. The path is a file's, a folder's for images,
and None for sets that come with a package or are made up; `hepnn.data.formats.reader` has what
a reader can do.
"""

FORMATS = {
    "parquet": "hepnn.data.formats.parquet:open_file",
    "root": "hepnn.data.formats.root:open_file",
    "hdf5": "hepnn.data.formats.hdf5:open_file",
    "npz": "hepnn.data.formats.npz:open_file",
    "csv": "hepnn.data.formats.csv:open_file",
    "images": "hepnn.data.formats.images:open_folder",
    "keras": "hepnn.data.formats.keras_sets:open_set",
    "sklearn": "hepnn.data.formats.sklearn_sets:open_set",
    "synthetic": "hepnn.data.formats.synthetic:open_set",
}
