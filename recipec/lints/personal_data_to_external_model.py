"""``personal-data-to-external-model``"""

from __future__ import annotations

import re
from collections.abc import Iterator

from recipec.api import lint
from recipec.lints._answers import place
from recipec.lints._base import Lint
from recipec.lints._view import View

_ENGLISH = (
    "email|e_mail|email_address|phone|phone_number|telephone|mobile_number|cell_phone|fax_number|ssn|social_security_number|passport_number|"
    "passport_no|iban|credit_card|credit_card_number|card_number|bank_account|account_holder|id_card|id_card_number|national_id|"
    "date_of_birth|birth_date|dob|full_name|first_name|last_name|surname|maiden_name|home_address|street_address|postal_address|"
    "ip_address|patient_name|customer_name|driver_license|license_plate"
)
_CHINESE = (
    "姓名|手机|手机号|手机号码|电话|电话号码|联系电话|联系方式|邮箱|电子邮箱|电子邮件|邮箱地址|身份证|身份证号|身份证号码|护照号|护照号码|银行卡|银行卡号|"
    "住址|家庭住址|家庭地址|收货地址|联系地址|出生日期|生日|微信号|车牌号"
)
_PERSONAL = rf"(?s:(?:.*_)?(?:{_ENGLISH})|.*(?:{_CHINESE}))"
_NEAR = r"localhost|[^.]+|.*\.(?:localhost|local|internal|intranet|lan|home|corp|home\.arpa|test)"
"""Names that no public server has: a single word is a machine of the same network."""


@lint("personal-data-to-external-model")
class PersonalDataToExternalModel(Lint):
    """Personal data go to a model on a server outside.

    The column says by its name that it holds what identifies a person (``email``, ``customer_phone``, ``身份证号``), or the recipe itself redacts
    the text elsewhere and so knows what is in it; and it goes as it is into a prompt, or a text to embed, for a server whose address in the
    recipe is neither this machine nor a private network. Values are followed through steps, ``def``, renames and templates. Where the address
    comes from the environment (``env("LLM_URL")``) nothing is known, and nothing is said. Send what the task needs: leave the column
    out, ``redact(text)`` it, or use a model of your own.

    In March 2023 Italy's data protection authority stopped ChatGPT after a breach had exposed users' conversations and payment data, and in
    December 2024 fined OpenAI 15 million euros; Samsung's engineers had pasted confidential code into it three times within 20 days.

    Bad:

    ```recipe
    source tickets = csv("t.csv") { columns: { body: text, email: text } }
    model lm = openai("gpt-4o-2024-08-06")
    template reply(body, email) \"\"\"Answer {{ email }}: {{ body }}\"\"\"
    predict answer from tickets { model: lm  prompt: reply(body, email) }
    ```

    Good: without the address, and with what stands in the text made unreadable.

    ```recipe
    source tickets = csv("t.csv") { columns: { body: text, email: text } }
    model lm = openai("gpt-4o-2024-08-06")
    template reply(body) \"\"\"Answer: {{ body }}\"\"\"
    predict answer from tickets { model: lm  prompt: reply(redact(body)) }
    ```

    Silence: ``# allow: personal-data-to-external-model because the contract of 2025 covers it``.
    """

    name = "personal-data-to-external-model"
    code = "W320"

    @classmethod
    def find(cls, view: View) -> Iterator[PersonalDataToExternalModel]:
        sent = [
            (step, use)
            for step in view.steps
            for use in step.bound.uses
            if use.role == "reads" and use.model is not None and use.model.facts is not None and outside(use.model.facts.host)
        ]
        if not sent:
            return
        values = view.tables.values
        redacted = {s[2] for s in values.shape if s[0] == "call" and s[1] == "redact"}
        told: set[tuple[object, str]] = set()
        for step, use in sent:
            assert use.model is not None
            assert use.model.facts is not None
            span = place(use, step)
            for value in values.within(view.tables.used(use, step)):
                name = called(values.shape[value])
                if name and values.type(value) != "BOOLEAN" and re.fullmatch(_PERSONAL, snake(name)):
                    message = f"`{name}` goes to {use.model.facts.host} as it is"
                    help = "leave it out, or redact it before: redact(...)"
                elif value in redacted:
                    name = name or "the text"
                    message = f"`{name}` goes to {use.model.facts.host} as it is; elsewhere this recipe redacts it"
                    help = "redact it before it is sent"
                else:
                    continue
                if (span.order, name) in told:
                    continue
                told.add((span.order, name))
                yield cls(span=span, message=message, label=f"read by `{use.model}`", help=(help, "or use a model on your own machines"))


def called(shape: tuple[object, ...]) -> str:
    """The name of a column that a table was read with, or of a field."""
    return str(shape[2]) if shape[0] in ("column", "field") else ""


def snake(name: str) -> str:
    """``customerEmail`` and ``Customer Email`` as ``customer_email``."""
    return re.sub(r"[\s.-]+", "_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name)).lower()


def outside(host: str) -> bool:
    """Whether a host, as the recipe writes it, is a public one."""
    if not host:
        return False
    from ipaddress import ip_address

    try:
        address = ip_address(host)
    except ValueError:
        return re.fullmatch(_NEAR, host) is None
    return address.is_global
