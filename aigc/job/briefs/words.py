"""Words by which tables of many languages name what a brief says."""

from __future__ import annotations

SURE = {
    **dict.fromkeys(("labels",), "label"),
    **dict.fromkeys(("qty", "quantity", "counts"), "count"),
    **dict.fromkeys(("customid", "briefids"), "brief_id"),
    **{"prompts": "prompt", "seeds": "seed", "widths": "width", "heights": "height"},
    **{"codecs": "codec", "outputformat": "codec", "outputcompression": "quality"},
    **{"qualities": "quality", "truncations": "truncation"},
}
"""Plurals, names of our own flags and of OpenAI's fields: names that can mean nothing else."""
ASKED = {
    "label": "class classes classname classlabel labelname category categories klass klasse "
    "etikett etiqueta étiquette klasa",
    "count": "n num number numbers amount images pictures numimages nimages imgs items pieces pcs "
    "copies repeat repeats howmany numberofimages noofimages anzahl menge stück "
    "antal nombre cantidad",
    "brief_id": "id brief briefname briefnumber briefno",
    "seed": "randomseed rngseed rng",
    "width": "w breite largeur ancho bredd",
    "height": "h höhe hauteur alto höjd",
    "width and height": "size imagesize resolution dimensions dimension widthxheight",
    "codec": "format fileformat imageformat filetype ext extension mimetype",
    "quality": "compression jpegquality jpgquality webpquality q",
    "truncation": "psi trunc truncationpsi",
    "index": "startindex firstindex",
}
MEANT = {name: field for field, names in ASKED.items() for name in names.split()}
FILLING = {
    *("image", "images", "img", "imgs", "picture", "pictures", "pic", "pics", "px", "pixel"),
    *("pixels", "num", "number", "no", "of", "the", "in", "output", "out", "target", "wanted"),
    *("requested", "total", "brief", "item", "items", "name", "value", "names"),
}
COUNTING = {
    *("num", "number", "numbers", "no", "nr", "nb", "nbr", "n", "amount", "many", "total"),
    *("wanted", "requested"),
}
COUNTED = {
    *("images", "imgs", "pictures", "pics", "photos", "items", "pieces", "copies", "samples"),
    *("outputs",),
}
"""`number of images`, `images wanted`, `n_samples` ask for a count; `item number` does not."""
ONE = ("image", "img", "picture", "pic")
"""With a counting word in front, they ask for a count too: `per image`."""
OTHER_WORDS = {
    *("code", "codes", "weight", "eight", "feed", "need", "send", "seen", "seem", "deed", "weed"),
    *("reed", "heed", "sees", "seek", "shed", "sled", "sued", "speed", "steed", "county", "court"),
    *("mount", "fount", "with", "lapel", "libel", "equality", "prompter"),
}
"""English words one letter away from a field's name, which are no slips of the pen."""
