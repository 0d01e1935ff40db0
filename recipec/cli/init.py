"""Write a recipe to start from, with a little data, into a folder.

The recipe cleans, de-duplicates, divides and exports a few messages in English and Chinese. Nothing that is there
already is overwritten.

examples:
  recipec init
  recipec init reviews
"""

from __future__ import annotations

import argparse
import os
import re

from recipec.cli._errors import CannotRun
from recipec.report.terminal import Terminal

RECIPE = """\
# What customers write, as a clean data set: no empty messages, no copies, in parts to train and to test on.
recipe "{name}" {{ version: "0.1.0"  seed: 7  language: ["en", "zh"] }}

param least_letters: int = 6  # another value for one run: recipec run --set least_letters=10

source messages = csv("data/messages.csv") {{
  key: id
  columns: {{ id: text, topic: text, text: text }}
  expect unique(id)
}}

clean tidy from messages {{
  text = text |> fix_unicode |> squeeze_space
  drop where text is null or length(text) < least_letters as "too short"
  dedupe(text)
  expect topic in ["delivery", "returns", "sizing"]
}}

split final from tidy {{ train: 80%  test: 20%  stratify: topic }}

expect apart from final.train, final.test {{
  expect overlap(final.train.text, final.test.text) == 0 as "no text is in both parts"
}}

export out from final {{ to: "build/{name}"  format: jsonl()  columns: [text, topic] }}
"""

MESSAGES = """\
id,topic,text
m01,delivery,Where is my parcel? It was due on Monday.
m02,delivery,The courier left the parcel in the   rain.
m03,delivery,Can I change the address of an order?
m04,delivery,Where is my parcel? It was due on Monday.
m05,delivery,包裹什么时候到？已经等了一个星期。
m06,delivery,快递把包裹放错了地方，请帮我查一下。
m07,returns,How do I send the boots back?
m08,returns,The zip broke on the second day. I want my money back.
m09,returns,Iâ€™d like to return one of two jackets.
m10,returns,ok
m11,returns,这件外套可以退货吗？吊牌还在。
m12,returns,退款多久能到账？
m13,sizing,Is the Curlew boot narrow? I usually take a 42.
m14,sizing,The jacket in M is too tight at the shoulders.
m15,sizing,Which size fits a child of seven?
m16,sizing,"Between two sizes, which one should I take?"
m17,sizing,身高一米七，应该买什么尺码？
m18,sizing,鞋子偏大还是偏小？
"""


def options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", nargs="?", default=".", metavar="FOLDER", help="where to write (default: this folder)")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    folder: str = args.folder
    name = re.sub(r"\W+", "_", os.path.basename(os.path.abspath(folder))).strip("_").lower() or "messages"
    files = {f"{name}.recipe": RECIPE.format(name=name), os.path.join("data", "messages.csv"): MESSAGES}
    paths = {os.path.normpath(os.path.join(folder, relative)): text for relative, text in files.items()}
    for path in paths:
        if os.path.lexists(path):
            raise CannotRun(f"`{path}` is there already; nothing was written", "choose another folder: recipec init reviews")
    try:
        for path, text in paths.items():
            os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
            with open(path, "x", encoding="utf-8", newline="\n") as stream:
                stream.write(text)
            out.line(f"wrote {path}")
    except OSError as error:
        raise CannotRun(f"cannot write `{error.filename}`: {error.strerror}") from None
    inside = "" if folder == "." else f"cd {folder} && "
    out.line()
    out.line(f"next: {inside}recipec check && recipec run && recipec show tidy")
    return 0
