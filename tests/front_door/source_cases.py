"""The table of sources that are not plain folders: tables of labels, archives, odd names."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
from typing import Any

from tests.data.pictures import encoded, noise
from tests.front_door.folders import (
    Case,
    idx_pair,
    lines,
    parquet,
    pictures,
    raw_name,
    rows,
    tarred,
    without_flags,
    zipped,
)

_DESCRIBES = "describes other files"
_DOCUMENT = "document"
_FLAT = "1.png 2.png"
_STYLEGAN = "00000/img00000000.png 00000/img00000001.png 00001/img00001000.png"
_PAIRS = [["00000/img00000000.png", 6], ["00000/img00000001.png", 2], ["00001/img00001000.png", 6]]

TABLES = [
    Case("StyleGAN's dataset.json", pictures(_STYLEGAN)
         | {"dataset.json": json.dumps({"labels": _PAIRS})}, labels="2 6", items=3,
         classes={"00000/img00000000.png": "6", "00000/img00000001.png": "2"},
         ignored={_DESCRIBES: 1}, told="labels in dataset.json"),
    Case("StyleGAN's dataset.json without labels", pictures(_STYLEGAN)
         | {"dataset.json": '{"labels": null}'}, items=3, ignored={_DESCRIBES: 1}),
    Case("StyleGAN's dataset.json that lacks a picture", pictures(_STYLEGAN)
         | {"dataset.json": json.dumps({"labels": _PAIRS[:2]})}, labels="2 6",
         rejects={"00001/img00001000.png": "no label in the metadata"},
         ignored={_DESCRIBES: 1}),
    Case("StyleGAN's dataset.json of vectors", pictures(_FLAT)
         | {"dataset.json": '{"labels": [["1.png", [0, 1]], ["2.png", 1]]}'}, labels="1",
         rejects={"1.png": "label is a list, expected text"}, ignored={_DESCRIBES: 1}),
    Case("another dataset.json", pictures("a/1.png b/2.png") | {"dataset.json": '{"x": 1}'},
         labels="a b", ignored={_DOCUMENT: 1}),
    Case("metadata.csv with labels", pictures(_FLAT)
         | {"metadata.csv": "file_name,label,text\n1.png,hats,a hat\n2.png,shoes,\n"},
         labels="hats shoes", captions={"1.png": "a hat", "2.png": None},
         ignored={_DESCRIBES: 1}),
    Case("metadata.jsonl with labels", pictures(_FLAT)
         | {"metadata.jsonl": lines({"file_name": "1.png", "label": 0},
                                    {"file_name": "2.png", "label": 1})},
         labels="0 1", ignored={_DESCRIBES: 1}),
    Case("metadata.jsonl that is an array", pictures(_FLAT)
         | {"metadata.jsonl": json.dumps([{"file_name": "1.png", "label": 0}])},
         refused="metadata.jsonl: begins with [, as a JSON array; write one object a line"),
    Case("metadata.parquet with labels", pictures(_FLAT)
         | {"metadata.parquet": parquet({"file_name": ["1.png", "2.png"], "label": ["x", "y"],
                                         "text": ["one", None]})},
         labels="x y", captions={"1.png": "one", "2.png": None}, ignored={_DESCRIBES: 1}),
    Case("metadata.parquet that is damaged", pictures(_FLAT) | {"metadata.parquet": b"PAR1"},
         refused="metadata.parquet: not a readable Parquet file"),
    Case("metadata in UTF-16", pictures(_FLAT)
         | {"metadata.csv": "file_name,label\n1.png,é\n2.png,b\n".encode("utf-16")},
         labels="b é", ignored={_DESCRIBES: 1}),
    Case("metadata of a spreadsheet", pictures(_FLAT)
         | {"metadata.csv": "sep=;\r\nfile_name;label\r\n1.png;x\r\n2.png;y\r\n;\r\n;\r\n"},
         labels="x y", ignored={_DESCRIBES: 1}),
    Case("metadata with tabs", pictures(_FLAT)
         | {"metadata.csv": "file_name\tlabel\n1.png\tx\n2.png\ty\n"}, labels="x y",
         ignored={_DESCRIBES: 1}),
    Case("metadata with blank rows", pictures(_FLAT)
         | {"metadata.csv": "file_name,label,\n1.png,x,\n2.png,y,\n" + ",,\n" * 500},
         labels="x y", ignored={_DESCRIBES: 1}),
    Case("a near miss: labels", pictures(_FLAT) | {"metadata.csv": "file_name,labels\n1.png,x\n"},
         refused="no column 'label', but labels; set label_column to the one that"),
    Case("a near miss: Class", pictures(_FLAT) | {"metadata.csv": "file_name,Class\n1.png,x\n"},
         refused="no column 'label', but Class; set label_column"),
    Case("a near miss: lable", pictures(_FLAT) | {"metadata.csv": "file_name,lable\n1.png,x\n"},
         refused="no column 'label', but lable; set label_column"),
    Case("file names under a known name", pictures(_FLAT)
         | {"metadata.csv": "filename,label\n1.png,x\n2.png,y\n"}, labels="x y",
         ignored={_DESCRIBES: 1}),
    Case("paths of Windows", pictures("p/1.png p/2.png")
         | {"metadata.csv": "file_name,label\np\\1.png,x\np\\2.png,y\n"}, labels="x y",
         ignored={_DESCRIBES: 1}),
    Case("file names in another normal form", {"cafe\u0301.png": encoded(noise(1)),
         "metadata.csv": "file_name,label\ncaf\u00e9.png,x\n"}, labels="x",
         ignored={_DESCRIBES: 1}),
    Case("a column of splits", pictures("1.png 2.png 3.png 4.png")
         | {"metadata.csv": "file_name,label,split\n1.png,x,Train\n2.png,y,train\n3.png,x,val\n"
                            "4.png,x,unlabeled\n"},
         labels="x y", test="3.png", items=3,
         ignored={_DESCRIBES: 1, "in a split that is not used": 1}),
    Case("a column of splits with another word", pictures(_FLAT)
         | {"metadata.csv": "file_name,label,split\n1.png,x,train\n2.png,y,fold7\n"},
         refused="split 'fold7' is not known; say --set"),
    Case("a column of splits that are all to test on", pictures(_FLAT)
         | {"metadata.csv": "file_name,label,split\n1.png,x,test\n2.png,y,val\n"},
         refused="all files are to test on; set splits to name those to train on"),
    Case("a column of splits, unread", pictures(_FLAT)
         | {"metadata.csv": "file_name,label,split\n1.png,x,1\n2.png,y,2\n"},
         fields={"splits": {}}, labels="x y", ignored={_DESCRIBES: 1}),
    Case("a label file that the spec names", pictures("images/1.png images/2.png")
         | {"train.csv": "id,breed\n1,cat\n2,dog\n"}, fields={"label_file": "train.csv"},
         labels="cat dog", classes={"images/2.png": "dog"}, ignored={_DESCRIBES: 1}),
    Case("a competition", pictures("train_images/1.png train_images/2.png test_images/3.png")
         | {"train.csv": "id,label\n1,x\n2,y\n"}, fields={"label_file": "train.csv"}, labels="x y",
         items=2, ignored={_DESCRIBES: 1, "in a split that is not used": 1},
         told="test_images ignored: no file in it has a label"),
    Case("a label file as an object", pictures(_FLAT)
         | {"labels.json": '{"1.png": "x", "2.png": "y"}'}, fields={"label_file": "labels.json"},
         labels="x y", ignored={_DESCRIBES: 1}),
    Case("a label file with several columns", pictures(_FLAT)
         | {"t.csv": "file,colour,kind\n1.png,red,x\n2.png,blue,y\n"},
         fields={"label_file": "t.csv"}, refused="set label_column to the one that holds"),
    Case("a label file with several columns, named", pictures(_FLAT)
         | {"t.csv": "file,colour,kind\n1.png,red,x\n2.png,blue,y\n"},
         fields={"label_file": "t.csv", "label_column": "kind"}, labels="x y",
         ignored={_DESCRIBES: 1}),
    Case("a label file that is not there", pictures(_FLAT), fields={"label_file": "t.csv"},
         refused="label_file = 't.csv': not in"),
    Case("a label file of another kind", pictures(_FLAT) | {"t.xlsx": "x"},
         fields={"label_file": "t.xlsx"}, refused="label_file = 't.xlsx': expected one of .csv"),
    Case("a label file of Parquet", pictures(_FLAT)
         | {"t.parquet": parquet({"file_name": ["1.png", "2.png"], "label": [3, 5]})},
         fields={"label_file": "t.parquet"}, labels="3 5", ignored={_DESCRIBES: 1}),
    Case("metadata that is not to be read", pictures("a/1.png b/2.png")
         | {"metadata.csv": "junk"}, fields={"label_file": ""}, labels="a b",
         ignored={_DOCUMENT: 1}),
    Case("a name of several pictures", pictures("p/1.png q/1.png")
         | {"t.csv": "file,label\n1.png,x\n"}, fields={"label_file": "t.csv"},
         refused="1.png may be p/1.png, q/1.png; write the path"),
    Case("a listed picture that is left out", pictures(_FLAT)
         | {"metadata.csv": "file_name,label\n1.png,x\n2.png,y\n"}, fields={"ignore": ["2.png"]},
         labels="x", items=1, ignored={_DESCRIBES: 1, "matches ignore": 1}),
    Case("numbers that pandas wrote", pictures("1.png 2.png 3.png")
         | {"metadata.parquet": parquet({"file_name": ["1.png", "2.png", "3.png"],
                                         "label": [7.0, 8.0, float("nan")]})},
         labels="7 8", rejects={"3.png": "no label in the metadata"}, ignored={_DESCRIBES: 1}),
    Case("captions in text files", pictures("a/1.png a/2.png") | {"a/1.txt": " a hat\n"},
         labels="a", captions={"a/1.png": "a hat", "a/2.png": None}, ignored={_DESCRIBES: 1}),
    Case("captions in .caption files", pictures("a/1.png") | {"a/1.caption": "a hat"}, labels="a",
         captions={"a/1.png": "a hat"}, ignored={_DESCRIBES: 1}),
    Case("captions in JSON files", pictures("a/1.png a/2.png")
         | {"a/1.json": '{"caption": "a hat", "license": "MIT"}', "a/2.png.json": "{}"},
         labels="a", captions={"a/1.png": "a hat", "a/2.png": None}, ignored={_DESCRIBES: 2}),
    Case("JSON that is damaged", pictures("a/1.png a/2.png") | {"a/1.json": "{"}, labels="a",
         rejects={"a/1.png": "a/1.json: not JSON"}, ignored={_DESCRIBES: 1}),
    Case("boxes are not captions", pictures("a/1.png")
         | {"a/1.txt": "0 0.5 0.5 0.1 0.2\n7 0.1 0.2 0.3 0.4\n"}, labels="a",
         captions={"a/1.png": None}, ignored={_DESCRIBES: 1}),
    Case("captions that are not wanted", pictures("a/1.png") | {"a/1.txt": "a hat"},
         fields={"caption_column": ""}, labels="a", captions={"a/1.png": None},
         ignored={_DESCRIBES: 1}),
    Case("a caption in Latin-1", pictures("a/1.png a/2.png") | {"a/1.txt": b"caf\xe9"},
         labels="a", rejects={"a/1.png": "a/1.txt: not UTF-8 at byte 3"},
         ignored={_DESCRIBES: 1}),
]  # fmt: skip

_TAR = tarred(pictures("a/1.png b/2.png"))
_IDX = {name: data for name, data in idx_pair("train").items() if isinstance(data, bytes)}
_SHARD: dict[str, Any] = {"0.png": encoded(noise(0)), "0.cls": "1", "0.json": '{"caption": "x"}',
          "1.png": encoded(noise(1)), "1.cls": "0", "1.json": "{}"}  # fmt: skip
_MORE: dict[str, Any] = {"2.png": encoded(noise(2)), "2.cls": "1"}

ARCHIVES = [
    Case("a ZIP", {"x.zip": zipped(pictures("a/1.png b/2.png"))}, source="x.zip", labels="a b",
         items=2),
    Case("a ZIP in a folder", {"x.zip": zipped(pictures("a/1.png b/2.png"))}, labels="a b",
         items=2),
    Case("a ZIP that is deflated", {"x.zip": zipped(pictures("a/1.png b/2.png"), compression=8)},
         labels="a b", items=2),
    Case("a ZIP with a wrapper, splits and junk", {"x.zip": zipped(
        pictures("shop/Train/a/1.png shop/Test/a/2.png")
        | {"__MACOSX/shop/._1.png": b"x", "shop/.DS_Store": b"x"})}, labels="a",
        test="shop/Test/a/2.png", ignored={"made by a system or program": 1, "hidden": 1}),
    Case("a ZIP with metadata", {"x.zip": zipped(pictures("1.png 2.png")
         | {"metadata.csv": "file_name,label\n1.png,x\n2.png,y\n"})}, labels="x y",
         ignored={_DESCRIBES: 1}),
    Case("a ZIP of paths that lead out", {"x.zip": zipped(
        {"../../a/1.png": encoded(noise(1)), "/b/2.png": encoded(noise(2))})}, labels="a b",
        items=2),
    Case("a ZIP that is cut", {"x.zip": zipped(pictures("a/1.png"))[:-30]},
         refused="x.zip: a damaged archive"),
    Case("a ZIP of nothing", {"x.zip": zipped({})}, refused="no images found"),
    Case("a ZIP compressed by another method",
         {"x.zip": zipped(pictures("a/1.png b/2.png"), compression=12)},
         rejects={"a/1.png": "by a method other than", "b/2.png": "by a method other than"}),
    Case("a tar", {"x.tar": tarred(pictures("a/1.png b/2.png"))}, source="x.tar", labels="a b",
         items=2),
    Case("a tar with a link", {"x.tar": tarred(pictures("a/1.png b/2.png"),
         {"a/l.png": "/etc/passwd"})}, labels="a b",
         rejects={"a/l.png": "link inside an archive, not followed"}),
    Case("a tar with a member twice", {"x.tar": tarred(pictures("b/2.png a/1.png"),
         again=pictures("a/1.png"))}, labels="a b", items=2,
         ignored={"replaced by a later member of the archive": 1}),
    Case("a ZIP with names in UTF-8 that do not say so", {"x.zip": without_flags(
         zipped({"caf\u00e9/1.png": encoded(noise(1))}))}, labels="caf\u00e9", items=1),
    Case("StyleGAN's ZIP", {"x.zip": zipped(pictures(_STYLEGAN)
         | {"dataset.json": json.dumps({"labels": _PAIRS})})}, labels="2 6", items=3,
         ignored={_DESCRIBES: 1}),
    Case("a tar that is cut between members", {"x.tar": tarred(pictures("a/1.png"))[:1536]},
         refused="x.tar: a damaged archive (cut off: it has no end mark)"),
    Case("a tar of a class that is not UTF-8", {"x.tar": tarred(pictures("a/1.png")
         | {"caf\udce9/2.png": encoded(noise(9))})}, labels="a",
         rejects={"caf\\xe9/2.png": "in a folder whose name is not UTF-8"}),
    Case("a ZIP with source.json", {"x.zip": zipped(pictures("a/1.png")
         | {"source.json": '{"name": []}'})}, refused="source.json: name = []: expected text"),
    Case("a packed tar that is cut", {"x.tar.gz": b"\x1f\x8b"}, source="x.tar.gz",
         refused="x.tar.gz: a damaged archive"),
    Case("a packed tar that is cut later", {"x.tgz": gzip.compress(_TAR)[:-20]},
         refused="x.tgz: a damaged archive (Compressed file ended before the end-of-stream"),
    Case("a packed tar whose tar is cut", {"x.tgz": gzip.compress(_TAR[:1536])},
         refused="x.tgz: a damaged archive (cut off: it has no end mark)"),
    Case("a tar by Zstandard", {"x.tar.zst": b"\x28\xb5\x2f\xfd"},
         refused="x.tar.zst: cannot be read in parts; unpack it"),
    Case("a 7-Zip archive", {"x.7z": b"7z\xbc\xaf"},
         refused="x.7z: cannot be read in parts; unpack it"),
    Case("a tar by gzip", {"x.tar.gz": gzip.compress(_TAR)}, source="x.tar.gz", labels="a b",
         items=2),
    Case("a tar by gzip in a folder", {"x.TGZ": gzip.compress(_TAR)}, labels="a b", items=2),
    Case("a tar by bzip2", {"x.tar.bz2": bz2.compress(_TAR)}, labels="a b", items=2),
    Case("a tar by xz", {"x.tar.xz": lzma.compress(_TAR)}, labels="a b", items=2),
    Case("a tar by xz, short", {"x.txz": lzma.compress(_TAR)}, labels="a b", items=2),
    Case("a tar by gzip in two parts", {"x.tgz": gzip.compress(_TAR[:700])
         + gzip.compress(_TAR[700:])}, labels="a b", items=2),
    Case("a tar by gzip that is bzip2", {"x.tar.gz": bz2.compress(_TAR)},
         refused="x.tar.gz: a damaged archive (Not a gzipped file"),
    Case("a tar by gzip with a link and paths that lead out", {"x.tgz": gzip.compress(tarred(
         {"../../a/1.png": encoded(noise(1)), "/b/2.png": encoded(noise(2))},
         {"a/l.png": "/etc/passwd"}))}, labels="a b",
         rejects={"a/l.png": "link inside an archive, not followed"}),
    Case("a packed tar a class", {"n01.tar.gz": gzip.compress(tarred(pictures("1.png"))),
         "n02.tgz": gzip.compress(tarred(pictures("x.png 2.png")))}, labels="n01 n02", items=3),
    Case("WebDataset by gzip", {"s-000000.tar.gz": gzip.compress(tarred(_SHARD)),
         "s-000001.tar.gz": gzip.compress(tarred(_MORE))}, labels="0 1", items=3,
         classes={"s-000000.tar.gz/0.png": "1"}, ignored={_DESCRIBES: 5}),
    Case("a tar that is none", {"x.tar": "x" * 600}, refused="x.tar: a damaged archive"),
    Case("a RAR", {"x.rar": "Rar!"}, refused="x.rar: cannot be read in parts; unpack it"),
    Case("WebDataset", {"s-000000.tar": tarred(_SHARD), "s-000001.tar": tarred(_MORE)},
         labels="0 1", classes={"s-000000.tar/0.png": "1", "s-000000.tar/1.png": "0"}, items=3,
         captions={"s-000000.tar/0.png": "x"}, ignored={_DESCRIBES: 5}),
    Case("WebDataset as aigc generate writes it", {"part-00000.tar": tarred(
        {"0.png": encoded(noise(0)), "0.cls": "1", "0.json": '{"label_name": "hat"}'})},
        labels="hat", items=1, ignored={_DESCRIBES: 2}),
    Case("a ZIP of IDX", {"x.zip": zipped(idx_pair("train"))}, labels="0 1", items=4),
    Case("a ZIP of packed IDX with names", {"x.zip": zipped(
         {f"mnist/{name}.gz": gzip.compress(data) for name, data in _IDX.items()}
         | {"labels.txt": "red\nblue\n", "mnist/readme.txt": "x"})}, labels="red blue", items=4,
         ignored={"not an IDX file": 1}, told="IDX: train"),
    Case("a packed tar of IDX", {"x.tgz": gzip.compress(tarred(_IDX))}, labels="0 1", items=4),
    Case("a ZIP of damaged IDX", {"x.zip": zipped({name: data[:9] for name, data in _IDX.items()})},
         refused="x.zip: not an IDX file"),
    Case("a ZIP of Parquet", {"x.zip": zipped({"data/train.parquet": rows(2)})}, labels="a b",
         items=2, classes={"data/train.parquet:00000001": "b"}, told="1 Parquet file"),
    Case("a ZIP of Parquet with splits", {"x.zip": zipped({"d/train.parquet": rows(2),
         "d/test.parquet": rows(1, 9), "d/card.md": "x"}, compression=8)}, labels="a b",
         test="d/test.parquet:00000000", items=3, ignored={"not a Parquet file": 1}),
    Case("a tar of Parquet", {"x.tar": tarred({"train.parquet": rows(2)})}, labels="a b", items=2),
    Case("a packed tar of Parquet", {"x.tgz": gzip.compress(tarred({"train.parquet": rows(2)}))},
         labels="a b", items=2),
    Case("a ZIP of damaged Parquet", {"x.zip": zipped({"train.parquet": b"PAR1"})},
         refused="x.zip"),
    Case("a ZIP of Parquet and pictures", {"x.zip": zipped(pictures("a/1.png b/2.png")
         | {"t.parquet": rows(1)})}, labels="a b", items=2, ignored={_DOCUMENT: 1}),
    Case("one shard of WebDataset", {"s.tar": tarred(_SHARD)}, labels="0 1", items=2,
         ignored={_DESCRIBES: 4}),
    Case("WebDataset with splits", {"train-000000.tar": tarred(_SHARD),
         "val-000000.tar": tarred(_MORE)}, labels="0 1", test="val-000000.tar/2.png", items=3,
         ignored={_DESCRIBES: 5}),
    Case("a tar a class", {"n01.tar": tarred(pictures("1.png")),
         "n02.tar": tarred(pictures("x.png 2.png"))}, labels="n01 n02", items=3),
    Case("a ZIP a split", {"train.zip": zipped(pictures("a/1.png b/2.png")),
         "test.zip": zipped(pictures("a/3.png"))}, labels="a b", test="test/a/3.png"),
    Case("an archive among other files", pictures("a/1.png b/2.png")
         | {"b/more.zip": zipped(pictures("3.png"))}, labels="a b",
         rejects={"b/more.zip": "an archive among other files; unpack it"}),
    Case("EMNIST's names", idx_pair("emnist-letters-train") | idx_pair("emnist-letters-test", 2, 9)
         | {"emnist-letters-mapping.txt": "0 48\n1 65 97\n"}, fields={"channels": 1}, labels="0 Aa",
         items=6, test="test-00000000 test-00000001",
         told="pictures are turned, as EMNIST stores them"),
    Case("EMNIST's mapping of another set", idx_pair("emnist-letters-train")
         | {"emnist-digits-mapping.txt": "0 65\n1 66"}, labels="0 1", items=4),
    Case("EMNIST's mapping that lacks a label", idx_pair("emnist-letters-train")
         | {"emnist-letters-mapping.txt": "0 65\n"},
         refused="mapping.txt: has no line for label 1, which the data has"),
    Case("EMNIST's mapping of words", idx_pair("emnist-letters-train")
         | {"emnist-letters-mapping.txt": "0 hat\n"},
         refused="emnist-letters-mapping.txt, line 1: expected a label and the codes of its"),
    Case("EMNIST with labels.txt, too", idx_pair("emnist-letters-train")
         | {"emnist-letters-mapping.txt": "0 65\n1 66\n", "labels.txt": "x\ny\n"}, labels="x y",
         items=4),
    Case("EMNIST in an archive", {"gzip.zip": zipped({f"gzip/{name}.gz": gzip.compress(data)
         for name, data in idx_pair("emnist-byclass-train").items()}
         | {"gzip/emnist-byclass-mapping.txt": "0 97\n1 65"})}, labels="a A", items=4,
         told="classes 'A', 'a' differ only in case"),
    Case("EMNIST of two sets", idx_pair("emnist-letters-train") | idx_pair("emnist-digits-train"),
         refused="holds several sets: emnist-digits, emnist-letters; leave the others out"),
    Case("EMNIST of two sets, one left out",
         idx_pair("emnist-letters-train") | idx_pair("emnist-digits-train"),
         fields={"ignore": ["emnist-digits-*"]}, labels="0 1", items=4,
         ignored={"matches ignore": 2}),
    Case("IDX in capitals", idx_pair("TRAIN"), labels="0 1", items=4),
    Case("IDX with junk", idx_pair("train") | {"._train-images-idx3-ubyte": b"x",
         "@eaDir/t10k-images-idx3-ubyte": b"x", ".DS_Store": b"x"}, labels="0 1", items=4,
         ignored={"made by a system or program": 2, "hidden": 1}),
    Case("IDX packed and unpacked", idx_pair("train") | {"train-images-idx3-ubyte.gz": b"x"},
         labels="0 1", items=4, ignored={"packed twin of a file that is read": 1}),
    Case("IDX twice", idx_pair("train") | {f"x/{k}": v for k, v in idx_pair("train").items()},
         refused="are both train images; leave one out with ignore"),
]  # fmt: skip

_PNG = encoded(noise(3, 64))


def _one(name: str, data: bytes, reason: str, **fields: object) -> Case:
    """A picture that is read next to a file that is not."""
    tree = pictures("a/1.png") | {"a/x": data}
    return Case(name, tree, fields=fields, labels="a", rejects={"a/x": reason} if reason else {})


FORMATS = [
    _one("an empty file", b"", "empty file"),
    _one("a HEIC photo", b"\0\0\0\x18ftypheic" + bytes(40), "HEI"),
    _one("a HEIF photo", b"\0\0\0\x18ftypmif1" + bytes(40), "HEI"),
    _one("an AVIF file that is damaged", b"\0\0\0\x18ftypavif" + bytes(4), "AVIF"),
    _one("an AVIF file", encoded(noise(3, 64), "AVIF"), ""),
    _one("a video", b"\0\0\0\x18ftypisom" + bytes(40), "a video; extract its frames"),
    _one("a WebM video", b"\x1aE\xdf\xa3" + bytes(40), "a video; extract its frames"),
    _one("a PNG whose header is cut", _PNG[:12], "a damaged PNG file"),
    _one("a JPEG of a few bytes", b"\xff\xd8\xff\xe0", "a damaged JPEG file"),
    _one("a JPEG XL file", b"\xff\x0a" + bytes(40), "a JPEG XL file; convert it"),
    _one("a PDF", b"%PDF-1.7", "a PDF document"),
    _one("PostScript", encoded(noise(3, 64), "EPS"), "a PostScript file; convert it"),
    _one("SVG", b"<?xml version='1.0'?>\n<svg/>", "an SVG drawing; convert it"),
    _one("a web page", b"<!DOCTYPE html><title>404", "a web page, not a picture"),
    _one("the answer of a store", b"<?xml version='1.0'?><Error><Code>AccessDenied", "of a store"),
    _one("a pointer of Git LFS", b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
    _one("a ZIP under another name", zipped({"x": "y"}), "a ZIP archive; unpack it"),
    _one("a gzip file", b"\x1f\x8b\x08" + bytes(40), "a gzip file; unpack it"),
    _one("a raw photo", b"FUJIFILMCCD-RAW 0201", "a raw photo; export it as JPEG"),
    _one("a file cut at its end", _PNG[:-1000], "cut off at its end"),
    _one("a file cut at its end, kept", _PNG[:-1000], "", truncated="keep"),
    _one("a JPEG cut at its end, kept", encoded(noise(3, 64), "JPEG")[:-300], "",
         truncated="keep"),
    _one("rubbish is not kept", b"rubbish", "not an image of a known", truncated="keep"),
]  # fmt: skip


_TWO = pictures("a/1.png b/2.png")
NAMES = [
    Case("a file name that is not UTF-8", _TWO | {"a/x": raw_name(b"caf\xe9.png", 7)}, labels="a b",
         items=3, classes={"a/caf\\xe9.png": "a"}),
    Case("a class name that is not UTF-8", _TWO | {"x": raw_name(b"caf\xe9/1.png", 7)},
         refused="caf\\xe9: the name of a class that is not UTF-8; rename the folder"),
    Case("a broken file whose name is not UTF-8", _TWO | {"a/x": raw_name(b"\xff.txt", 7)},
         labels="a b", items=2, ignored={_DOCUMENT: 1}),
    Case("a wrapper that is not UTF-8", {"x": raw_name(b"\xe9/a/1.png", 7)}, labels="a", items=1),
    Case("a name of two lines", _TWO | {"a/two\nlines.png": b"x"}, labels="a b",
         rejects={"a/two\nlines.png": "not an image"}),
    Case("a class of two lines", pictures("b/2.png") | {"a\nb/1.png": encoded(noise(1))},
         items=2, labels="a b b"),
    Case("classes like markup", {"[sale]/1.png": encoded(noise(1)),
         "shoes [men]/2.png": encoded(noise(2))}, labels="[sale] shoes [men]", items=2),
    Case("labels like markup", pictures("1.png 2.png")
         | {"metadata.csv": "file_name,label\n1.png,[/sale]\n2.png,[bold]\n"},
         labels="[/sale] [bold]", items=2, ignored={_DESCRIBES: 1}),
    Case("source.json of lists", _TWO | {"source.json": '{"licence": ["MIT"]}'},
         refused="source.json: licence = ['MIT']: expected text"),
    Case("source.json of numbers", _TWO | {"source.json": '{"name": 7}'},
         refused="source.json: name = 7: expected text"),
    Case("source.json of objects", _TWO | {"source.json": '{"url": {"a": 1}}'},
         refused="source.json: url = {'a': 1}: expected text"),
    Case("source.json that is a list", _TWO | {"source.json": "[1]"},
         refused='source.json: expected {"name": TEXT'),
    Case("source.json that is not JSON", _TWO | {"source.json": "{"}, refused="not JSON"),
    Case("source.json nested deep", _TWO | {"source.json": "[" * 100_000}, refused="not JSON"),
    Case("source.json of lists next to Parquet", {"x.parquet": rows(2),
         "source.json": '{"name": []}'}, refused="source.json: name = []: expected text"),
    Case("source.json of nothing", _TWO | {"source.json": '{"name": null, "x": []}'},
         labels="a b", items=2, ignored={_DOCUMENT: 1}),
]  # fmt: skip
