"""Print what makes a shell complete verbs, options and names.

Completed are verbs, options and their words, recipes, the steps and parts of the recipe at hand (the one named, or the only
one in the folder), its parameters after --set, its templates, rules, and the names that `recipec docs` knows.

examples:
  recipec completion bash >> ~/.bashrc
  recipec completion zsh > ~/.zfunc/_recipec          in a folder of fpath
  recipec completion fish > ~/.config/fish/completions/recipec.fish
"""

from __future__ import annotations

import argparse
import os

from recipec.cli._parser import choice
from recipec.report.terminal import Terminal

BASH = """\
_recipec() {
  local IFS=$'\\n' current="${COMP_WORDS[COMP_CWORD]}"
  COMPREPLY=($(RECIPEC_CURRENT="$current" RECIPEC_WORDS="$(printf '%s\\n' "${COMP_WORDS[@]:1:COMP_CWORD-1}")" \\
    recipec completion offer 2> /dev/null | cut -f 1))
  [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]] && compopt -o nospace
}
complete -o default -F _recipec recipec
"""
ZSH = """\
#compdef recipec
_recipec() {
  local -a plain described unfinished
  local line
  for line in "${(@f)$(RECIPEC_CURRENT="$words[CURRENT]" RECIPEC_WORDS="${(F)words[2,CURRENT-1]}" recipec completion offer 2> /dev/null)}"; do
    [[ -z $line ]] && continue
    if [[ $line == *$'\\t'* ]]; then described+=("${${line%%$'\\t'*}//:/\\\\:}:${line#*$'\\t'}");
    elif [[ $line == *[=/] ]]; then unfinished+=("$line"); else plain+=("$line"); fi
  done
  (( $#described )) && _describe -V recipec described
  (( $#plain )) && compadd -a plain
  (( $#unfinished )) && compadd -S '' -a unfinished
  (( $#described + $#plain + $#unfinished )) || _files
}
if [[ $funcstack[1] == _recipec ]]; then _recipec "$@"; else compdef _recipec recipec; fi
"""
FISH = """\
function __recipec_offer
    set -lx RECIPEC_WORDS (string join \\n -- (commandline -opc)[2..-1] | string collect)
    set -lx RECIPEC_CURRENT (commandline -ct)
    recipec completion offer 2> /dev/null
end
complete -c recipec -f -a '(__recipec_offer)'
"""
SCRIPTS = {"bash": BASH, "zsh": ZSH, "fish": FISH}


def options(parser: argparse.ArgumentParser) -> None:
    # `offer` is what the scripts call: the words typed so far come in RECIPEC_WORDS and RECIPEC_CURRENT.
    parser.add_argument("shell", type=choice(*SCRIPTS, "offer"), metavar="SHELL", help="bash, zsh or fish")


def run(args: argparse.Namespace, out: Terminal, err: Terminal) -> int:
    if args.shell in SCRIPTS:
        out.write(SCRIPTS[args.shell])
        return 0
    from recipec.cli._offers import offers

    words = os.environ.get("RECIPEC_WORDS", "").split("\n")
    for word, about in offers([w for w in words if w], os.environ.get("RECIPEC_CURRENT", "")):
        out.line(f"{word}\t{about}" if about else word)
    return 0
