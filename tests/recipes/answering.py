"""What the tests' server answers to the prompts of the worked recipes: a stand-in for a language model, as a function of the request alone.

It does what it is asked in a small way (invents tasks from lists of words, quotes passages, does sums that it knows), and goes wrong as models
do: some answers are cut off, no JSON, refused, near-copies, wrong sums, quotes that do not stand in the text, judges who prefer a place.
Which ones is decided by the words asked and the ``seed`` sent, so that every run gets the same.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any

RECIPES = Path(__file__).resolve().parents[2] / "recipes"
Said = tuple[str, str]

VERBS = ("Describe", "Compare", "List", "Explain", "Rank", "Summarize", "Criticize", "Plan", "Justify", "Translate into plain words")
THINGS = (
    "three ways of keeping bread fresh", "the duties of a night porter", "how a tide table is read", "reasons to learn the accordion",
    "the rules of a village football cup", "what a beekeeper does in March", "two recipes for leftover rice", "a good apology to a neighbour",
    "the parts of a wooden window", "why bridges have gaps", "the morning of a market trader", "how to prune an old pear tree",
)  # fmt: skip
LIMITS = (
    "in two sentences",
    "for a newcomer",
    "without naming a brand",
    "as a numbered list",
    "with one example each",
    "in under sixty words",
)
做 = ("列出", "说明", "比较", "解释", "评价", "概括")
事 = (
    "保存面包的三种办法",
    "夜班门房的职责",
    "潮汐表怎么读",
    "学手风琴的好处",
    "村里足球赛的规则",
    "养蜂人三月要做的活",
    "老梨树怎样修剪",
    "桥面为什么留缝",
)
限 = ("，用两句话", "，写给新手看", "，不提品牌", "，每条举一个例子", "，不超过六十个字", "，分点写")

PAIRS = (
    ("Where is my parcel?", "我的包裹在哪里？"), ("When will my order arrive?", "订单什么时候能到？"),
    ("The courier did not ring the bell.", "快递员没有按门铃。"), ("Can I change the delivery address?", "可以修改收货地址吗？"),
    ("My package has been stuck in the depot for a week.", "包裹在仓库里停了一个星期。"), ("How do I send the shoes back?", "鞋子怎么退货？"),
    ("The jacket is too small, can I exchange it?", "外套太小了，可以换吗？"), ("When do I get my money back?", "退款什么时候到账？"),
    ("My card was charged twice.", "我的卡被扣了两次款。"), ("Is there a way to track the parcel?", "怎么查询物流？"),
    ("How long does shipping to Norway take?", "寄到挪威要多长时间？"), ("Which cards do you accept?", "你们接受哪些卡？"),
)  # fmt: skip


def number(*parts: Any) -> int:
    """A number that looks random, from what it is given."""
    return int.from_bytes(blake2b("|".join(map(str, parts)).encode(), digest_size=6).digest(), "big")


def chosen(options: Any, *parts: Any) -> Any:
    return options[number(*parts) % len(options)]


def chinese(text: str) -> bool:
    return len(re.findall(r"[\u4e00-\u9fff]", text)) * 4 > len(text)


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


class Model:
    """Answers requests. ``sums`` are questions with their worked answers, as GSM8K writes them."""

    def __init__(self, sums: Path | None = None) -> None:
        lines = (sums or RECIPES / "data" / "generate" / "sums.jsonl").read_text(encoding="utf-8").splitlines()
        self.sums: dict[str, str] = {(row := json.loads(line))["question"]: row["answer"] for line in lines}
        self.asked = 0
        listed: list[tuple[str, Callable[[str, str, Any], Said]]] = [
            (r"invent varied tasks", self.invent), (r"You rewrite instructions|你改写指令", self.evolve), (r"questions about a passage|根据文章出题", self.quote),
            (r"You compare two answers", self.compare), (r"You rate an answer|给回答打分", self.rate), (r"Think step by step|一步一步", self.solve),
            (r"Translate what|译成中文", self.translate), (r"play a customer|扮演户外用品店的顾客", self.customer),
        ]  # fmt: skip
        self.tasks = [(re.compile(pattern), act) for pattern, act in listed]

    def __call__(self, request: dict[str, Any]) -> Said:
        self.asked += 1
        messages = request["messages"]
        system = " ".join(m["content"] for m in messages if m["role"] == "system")
        user = messages[-1]["content"]
        salt = (request["model"], request.get("seed"), len(messages))
        for pattern, act in self.tasks:
            if pattern.search(system):
                return act(system, user, salt)
        if "ask for the same thing" in user:
            return self.same(user)
        if "response_format" in request:
            return self.persona(system, user, salt)
        return self.reply(user, salt)

    # One for each kind of prompt

    def invent(self, system: str, user: str, salt: Any) -> Said:
        shown = re.findall(r"Task \d+: (.*)", user)
        items: list[dict[str, str]] = []
        for n in range(4):
            at = number(user, salt, n)
            if at % 9 == 0:
                task = shown[at % len(shown)]
            elif at % 11 == 0:
                task = "Draw a picture of a harbour at night with seven boats"
            elif at % 13 == 0:
                task = "Do it."
            elif at % 3 == 0:
                task = chosen(做, user, n) + chosen(事, user, salt, n, 1) + chosen(限, user, salt, n, 2) + "。"
            else:
                task = f"{chosen(VERBS, user, n)} {chosen(THINGS, user, salt, n, 1)} {chosen(LIMITS, user, salt, n, 2)}."
            items.append({"instruction": task, "input": "", "output": self.reply(task, salt)[0]})
        if number(user, salt) % 10 == 0:
            del items[2]["output"]
        if number(user, salt) % 10 == 1:
            return "Here are four tasks: " + items[0]["instruction"], "stop"
        if number(user, salt) % 10 == 2:
            return as_json({"items": items})[:200], "length"
        return as_json({"items": items}), "stop"

    def evolve(self, system: str, user: str, salt: Any) -> Said:
        task = user.split("\n\n", 1)[1].strip()
        at = number(user, salt) % 6
        if at == 0:
            return task, "stop"
        if at == 1:
            return f"改写后的指令：{task}" if chinese(task) else f"Rewritten instruction: {task}", "stop"
        if chinese(task):
            return (
                f"{task}\n另外，请{chosen(做, user, salt)}{chosen(事, user, salt, 1)}，并说明两者的关系{chosen(限, user, salt, 2)}。",
                "stop",
            )
        more = f"Then {chosen(VERBS, user, salt).lower()} {chosen(THINGS, user, salt, 1)}, say how the two are related, {chosen(LIMITS, user, salt, 2)}."
        return f"{task}\n{more}", "stop"

    def same(self, user: str) -> Said:
        before, after = (part.strip() for part in re.split(r"First:|Second:", user)[1:])
        return as_json({"same": before == after}), "stop"

    def quote(self, system: str, user: str, salt: Any) -> Said:
        passage = user.split("\n\n", 1)[1].strip()
        sentences = [s.strip() for s in re.findall(r"[^.。？?#\n：:][^.。？?#：:]{5,}[.。]", passage)] or [passage[:30]]
        items = []
        for n in range(3):
            said = sentences[(number(passage, salt) + n) % len(sentences)]
            wrong = number(passage, n) % 4 == 0
            asks = (
                f"关于“{said[:8]}”，店里是怎么规定的？"
                if chinese(passage)
                else f"What does the shop say of {' '.join(said.split()[:4]).lower()}?"
            )
            items.append(
                {"question": asks, "answer": said, "quote": said[:-1] + ("的话！" if chinese(passage) else ", always!") if wrong else said}
            )
        return "```json\n" + as_json(items) + "\n```", "stop"

    def persona(self, system: str, user: str, salt: Any) -> Said:
        who = system.removeprefix("You are ").removeprefix("你是").rstrip(".。")
        if chinese(user):
            topic = user.split("“")[1].split("”")[0]
            asks = f"作为{who}，我想知道{topic}方面{chosen(('最该准备什么', '有什么简单的办法', '哪些错误最常见'), user, salt, who)}？"
        else:
            topic = user.split("about ")[1].split(" that")[0]
            asks = f"As {who}, {chosen(('what should I know first about', 'where do most go wrong with', 'how do I plan my'), user, salt, who)} {topic}?"
        tone = "shouting" if number(user, who, salt) % 8 == 0 else chosen(("plain", "worried", "curious"), user, who)
        return as_json({"question": asks, "tone": tone}), "stop"

    def compare(self, system: str, user: str, salt: Any) -> Said:
        task, a, b = (part.strip() for part in re.split(r"Task:|Answer A:|Answer B:|Which is better\?", user)[1:4])
        better = "tie" if len(a) == len(b) else "A" if len(a) > len(b) else "B"
        if number(task) % 5 == 0:
            better = "A"
        return as_json({"why": f"It says more ({max(len(a), len(b))} letters).", "better": better}), "stop"

    def rate(self, system: str, user: str, salt: Any) -> Said:
        _, answer = (part.strip() for part in re.split(r"Task:|Answer:|JSON:", user)[1:3])
        score = 1 + number(answer) % 5
        if number(answer, salt) % 5 == 0:
            score = 1 + score % 5
        return as_json({"reason": "It is right as far as it goes." if score > 2 else "It is beside the point.", "score": score}), "stop"

    def solve(self, system: str, user: str, salt: Any) -> Said:
        worked, _, result = self.sums[user].partition("####")
        steps = re.sub(r"<<[^<>]*>>", "", worked).strip()
        at = number(user, salt) % 8
        mark = "答案：" if chinese(user) else "Answer:"
        if at == 0:
            return steps[: len(steps) // 2], "length"
        if at == 1:
            return steps, "stop"
        if at in (2, 3):
            result = str(int(result.replace(",", "")) + at)
        if at >= 6:
            steps = ("先想清楚问题问的是什么。\n" if chinese(user) else "Let us see what is asked.\n") + steps
        if at == 7:
            steps += "\n1 + 1 = 2" if not chinese(user) else "\n验算：1+1=2"
        return f"{steps}\n{mark} {result.strip()}", "stop"

    def translate(self, system: str, user: str, salt: Any) -> Said:
        for en, zh in PAIRS:
            if user == en:
                return zh, "stop"
            if user == zh:
                return en, "stop"
        at = number(user) % 3
        if at == 0:
            return user, "stop"
        if chinese(user):
            return ("Please tell me how this works in your shop." if at == 1 else "There were 3 of them in the box."), "stop"
        return ("请告诉我店里是怎么处理的。" if at == 1 else "盒子里有3个。"), "stop"

    def customer(self, system: str, user: str, salt: Any) -> Said:
        turns = user.count("customer:")
        if number(user) % 3 == 0 and turns > 1:
            return "再见。" if "扮演" in system else "Goodbye.", "stop"
        return chosen(
            ("那大概要多少钱？", "这个冬天也能用吗？", "还有别的办法吗？")
            if "扮演" in system
            else ("How much is that?", "And in winter?", "Is there another way?"),
            user,
        ), "stop"

    def reply(self, user: str, salt: Any) -> Said:
        at = number(user, salt)
        if at % 17 == 0:
            return ("抱歉，我不能回答这个问题。" if chinese(user) else "I'm sorry, I cannot help with that."), "stop"
        if at % 19 == 0:
            return "The request was declined.", "refusal"
        if at % 23 == 0:
            return "", "stop"
        if chinese(user):
            parts = [f"{chosen(做, user, salt, n)}{chosen(事, user, salt, n, 1)}很有用。" for n in range(1 + at % 3)]
            return "我先看要求，再一步一步回答。" + "".join(parts), "stop"
        parts = [f"It helps to {chosen(VERBS, user, salt, n).lower()} {chosen(THINGS, user, salt, n, 1)}." for n in range(1 + at % 3)]
        return "I look at what is asked first. " + " ".join(parts), "stop"


def known_questions() -> list[str]:
    with (RECIPES / "data" / "augment" / "questions.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]
