"""The language server: thin adapters between an editor and the stages that ``check``, ``fmt`` and ``docs`` use.

``pieces``    a text cut into items, so that a keystroke parses one of them
``live``      a recipe resolved again with everything kept that did not change
``analysis``  the findings and names of one file as it stands in the editor
``context``   what is being written at a place
``complete`` ``describe`` ``names`` ``outline`` ``colours`` ``actions``  one file for each thing an editor asks
``server``    the protocol (pygls)

The server never runs a recipe's code, touches no network, and reads of data no more than ``recipec check`` does: the
headers of declared sources.
"""
