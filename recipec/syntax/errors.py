from __future__ import annotations
from dataclasses import dataclass
from recipec.diagnostics import Diagnostic
@dataclass(frozen=True, kw_only=True)
class NotCallable(Diagnostic):
    """x"""
    name = "not-callable"; code = "E110"
    func: object
@dataclass(frozen=True, kw_only=True)
class BadRound(Diagnostic):
    """x"""
@dataclass(frozen=True, kw_only=True)
class BadEscape(Diagnostic):
    """x"""
@dataclass(frozen=True, kw_only=True)
class NumberTooLarge(Diagnostic):
    """x"""
@dataclass(frozen=True, kw_only=True)
class Unexpected(Diagnostic):
    """x"""
