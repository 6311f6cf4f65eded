"""Tables of briefs by their columns: known ones, those asked about, the user's own, prompts."""

from __future__ import annotations

from tests.front_door.tables import (
    MADE,
    NFD,
    PLAIN,
    Table,
    csv,
    json_lines,
    parquet,
)

COLUMNS = [
    Table("exact", "b.csv", PLAIN, made=MADE, own=()),
    Table(
        "a flag's name",
        "b.csv",
        csv("labels,count", "two,3", "one,1"),
        made=MADE,
        note="'labels' as label",
    ),
    Table(
        "other case", "b.csv", csv("LABEL, Count", "two,3"), made=[(3, "two")], note="'LABEL' as"
    ),
    Table(
        "spaces for underscores",
        "b.csv",
        csv("Brief ID,label,count", "x,two,3"),
        made=[(3, "two")],
        own=(),
    ),
    Table("qty", "b.csv", csv("label,qty", "two,3"), made=[(3, "two")], note="'qty' as count"),
    Table("quantity", "b.csv", csv("label,Quantity", "two,3"), made=[(3, "two")]),
    Table("custom_id", "b.csv", csv("custom_id,label,count", "a,two,3"), made=[(3, "two")]),
    Table(
        "OpenAI's format",
        "b.csv",
        csv("label,count,output_format", "two,3,webp"),
        made=[(3, "two")],
        own=(),
    ),
    *(
        Table(f"{wrong}?", "b.csv", csv(f"{wrong},note", "x,1"), {"count": 1}, refused=asked)
        for wrong, asked in {
            "lable": r"'lable': did you mean label\? .*columns.label=lable.*own_columns",
            "labell": "did you mean label",
            "labe": "did you mean label",
            "lables": "did you mean label",
            "class": "did you mean label",
            "Category": "did you mean label",
            "label_name": "did you mean label",
            "class label": "did you mean label",
            "amount": "did you mean count",
            "cuont": "did you mean count",
            "coutn": "did you mean count",
            "quanity": "did you mean count",
            "n": "did you mean count",
            "num_images": "did you mean count",
            "image count": "did you mean count",
            "Anzahl": "did you mean count",
            "sead": "did you mean seed",
            "random_seed": "did you mean seed",
            "widht": "did you mean width",
            "image_width": "did you mean width",
            "imageWidth": "did you mean width",
            "width (px)": "did you mean width",
            "heigth": "did you mean height",
            "hight": "did you mean height",
            "size": "did you mean width and height",
            "format": "did you mean codec",
            "qualty": "did you mean quality",
            "truncaton": "did you mean truncation",
            "psi": "did you mean truncation",
            "promt": "did you mean prompt",
            "id": "did you mean brief_id",
            "colour": "colour is a setting of the whole job",
            "color": "colour is a setting of the whole job",
            "writer": "writer is a setting of the whole job",
            "max-rejects": "max_rejects is a setting of the whole job",
            "workers": "setting of the whole job",
            "model": "has the name of an output column",
        }.items()
    ),
    Table(
        "a question answered",
        "b.csv",
        csv("label,count,colour,size", "two,3,red,M"),
        {"own_columns": ["colour", "size"]},
        made=[(3, "two")],
        own=("colour", "size"),
    ),
    Table(
        "an answer about nothing",
        "b.csv",
        PLAIN,
        {"own_columns": ["colour"]},
        refused="own_columns = colour: .* no such column",
    ),
    Table(
        "own columns are listed",
        "b.csv",
        csv("label,count,sku,season,code,weight,country", "two,3,1,2,3,4,5"),
        made=[(3, "two")],
        own=("sku", "season", "code", "weight", "country"),
        note="of your own.*without effect.*sku, season, code, weight, country",
    ),
    Table(
        "two for one field",
        "b.csv",
        csv("label,labels,count", "two,one,3"),
        refused="columns 'label' and 'labels' are both like label",
    ),
    Table(
        "two for one field, as said",
        "b.csv",
        csv("label,labels,count", "two,one,3"),
        {"own_columns": ["labels"]},
        made=[(3, "two")],
        own=("labels",),
    ),
    Table(
        "a header of two lines",
        "b.csv",
        csv('label,"count",brief_id,"sku\nof ours"', "two,3,a,x"),
        made=[(3, "two")],
        own=("sku of ours",),
    ),
    Table(
        "two cases of a field",
        "b.csv",
        csv("Label,LABELS,count", "two,one,3"),
        refused="both like label",
    ),
    Table(
        "mapped by the spec",
        "b.csv",
        csv("product,pieces", "two,3"),
        {"columns": {"label": "product", "count": "pieces"}},
        made=[(3, "two")],
        own=(),
    ),
    Table("no header", "b.csv", csv("two,3", "one,1"), {"count": 1}, refused="put a header above"),
    Table(
        "no field",
        "b.csv",
        csv("sku,season", "1,2"),
        {"count": 1},
        refused="has none of the columns brief_id, label",
    ),
    Table(
        "no field, as said",
        "b.csv",
        csv("sku", "1"),
        {"count": 1, "own_columns": ["sku"]},
        made=[(1, "zero")],
    ),
    Table(
        "another delimiter",
        "b.csv",
        csv("label|count", "two|3"),
        {"count": 1},
        refused=r"has none of the columns .*label\|count",
    ),
    Table("JSON keys", "b.jsonl", json_lines({"lable": "two"}), {"count": 1}, refused="did you"),
    Table(
        "Parquet columns",
        "b.parquet",
        parquet({"labels": ["two"], "count": [3]}),
        made=[(3, "two")],
    ),
    Table("a title above", "b.csv", csv("Spring 2026,,", "label,count,", "two,3,"), refused="has"),
    Table(
        "a key twice",
        "b.jsonl",
        json_lines('{"count": 1, "count": 5}', {"count": 2}),
        rejects={1: "'count' is there twice"},
        made=[(2, "zero")],
    ),
]

SEVERAL = [
    Table(
        f"labels divided by {sign!r}",
        "b.csv",
        csv("label\tcount", f"one{sign} two\t3", "two\t1"),
        made=[(1, "two")],
        rejects={1: r"write several as 'one\|two'"},
    )
    for sign in ",;/+&"
]

PROMPTS = [
    Table(
        "a prompt",
        "b.csv",
        csv("prompt,count", "a two on snow,3"),
        made=[(3, "two")],
        own=("prompt",),
    ),
    Table(
        "a prompt in German letters",
        "b.csv",
        csv("prompt,count", f"im {NFD},3"),
        made=[(3, "Café")],
    ),
    Table(
        "a prompt that names none",
        "b.csv",
        csv("prompt,count", "a car,3", "one,1"),
        made=[(1, "one")],
        rejects={1: "prompt = 'a car': names none"},
    ),
    Table(
        "a label wins over the prompt",
        "b.csv",
        csv("label,prompt,count", "one,two,3", ",two,1"),
        made=[(3, "one"), (1, "two")],
    ),
    Table(
        "a prompt of another name",
        "b.csv",
        csv("text,count", "two,3"),
        {"columns": {"prompt": "text"}},
        made=[(3, "two")],
        own=("text",),
    ),
    Table(
        "prompts in JSON", "b.jsonl", json_lines({"prompt": "twos", "count": 3}), made=[(3, "two")]
    ),
    Table(
        "a prompt that is no text",
        "b.jsonl",
        json_lines({"prompt": 5, "count": 3}, {"count": 1}),
        made=[(1, "zero")],
        rejects={1: "prompt = 5: expected text"},
    ),
]
