"""The picture formats that are ever opened, by Pillow's names.

None of their decoders starts another program, as those of EPS and WMF do. Every `Image.open` names
one of these lists, or a part of one.
"""

WRITTEN = ("PNG", "JPEG", "WEBP")
"""Those of our own files."""
REQUESTED = (*WRITTEN, "GIF", "BMP")
"""Those that the endpoint takes from anybody."""
PREPARED = (
    *REQUESTED,
    *("AVIF", "DIB", "TIFF", "PPM", "TGA", "ICO", "ICNS", "JPEG2000", "PSD", "PCX", "DCX", "SGI"),
    *("DDS", "QOI", "XBM", "XPM", "SUN", "MSP", "CUR", "HEIF"),
)
"""Those that data sets are made of."""
