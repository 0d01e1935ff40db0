"""Function words: those that running text is full of, and lists of keywords are not."""

from __future__ import annotations

from typing import Final

_ENGLISH = """
a about above after again against all also am an and any are aren't as at be because been before being below between both but by can
can't cannot could couldn't did didn't do does doesn't doing don't down during each either else ever every few for from further had
hadn't has hasn't have haven't having he he'd he'll he's her here here's hers herself him himself his how how's however i i'd i'll i'm
i've if in into is isn't it it's its itself just let's may me might more most must mustn't my myself neither no nor not now of off on
once one only onto or other ought our ours ourselves out over own per rather same shall shan't she she'd she'll she's should shouldn't
since so some such than that that's the their theirs them themselves then there there's these they they'd they'll they're they've this
those though through thus till to too under unless until up upon us very was wasn't we we'd we'll we're we've were weren't what what's
when when's where where's whether which while who who's whom whose why why's will with within without won't would wouldn't yet you
you'd you'll you're you've your yours yourself yourselves
"""
# Words of Chinese are counted by characters, so these are the characters that carry grammar.
_CHINESE = "的了是在和有不这那我你他她它们就也都而及与着或之于以为对从到被把让向但因所其此该个上下中又很还只会能可要没吗呢吧啊呀么什哪谁怎"
_GERMAN = """
aber alle allem allen aller alles als also am an ander andere anderem anderen anderer anderes auch auf aus bei bin bis bist da damit dann
das dass dein deine dem den denn der des dich die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen
einer eines er es etwas euch euer für gegen habe haben hat hatte hatten hier hin hinter ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in
indem ins ist ja jede jedem jeden jeder jedes jene kann kein keine keinem keinen keiner können könnte man manche mein meine mich mir mit
muss nach nicht nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner sich sie sind so solche soll sollte sondern sonst
über um und uns unser unter viel vom von vor während war waren was weg weil welche welcher wenn werde werden wie wieder will wir wird
wirst wo wollen würde würden zu zum zur zwar zwischen
"""
_FRENCH = """
à ai ainsi alors après au aucun aussi autre aux avaient avait avant avec avoir c ce ceci cela celle celles celui ces cet cette ceux chez
comme comment d dans de depuis des donc dont du elle elles en encore entre es est et étaient était étant été être eu eux fait fut ici il
ils j je l la là le les leur leurs lui m ma mais me même mes moi mon n ne ni non nos notre nous on ont ou où par parce pas pendant peu
plus pour pourquoi qu quand que quel quelle quelles quels qui s sa sans se sera ses si son sont sous sur t ta te tes toi ton tous tout
toute toutes très tu un une vers voici vos votre vous y
"""
_SPANISH = """
a al algo algunas algunos ante antes aquel aquella aquí así aunque cada como con contra cual cuando cuya cuyo de del desde donde dos
durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está estaba están estar este esto estos fue fueron ha
habia había han hasta hay la las le les lo los más me mi mientras muy nada ni no nos nosotros nuestra nuestro o otra otras otro otros para
pero poco por porque pues que qué quien quién se sea según ser si sí siempre sin sino sobre son su sus también tanto te tiene tienen
todo todos tu tus un una unas uno unos usted ustedes y ya yo
"""

STOPWORDS: Final[dict[str, frozenset[str]]] = {
    "en": frozenset(_ENGLISH.split()),
    "zh": frozenset(_CHINESE),
    "de": frozenset(_GERMAN.split()),
    "fr": frozenset(_FRENCH.split()),
    "es": frozenset(_SPANISH.split()),
}
