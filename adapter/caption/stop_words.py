"""Words that hardly a text of their language does without, to tell English from its neighbours.

What English shares with another language, such as "die" or "in", misleads and is left out.
"""

from typing import Final

ENGLISH: Final = frozenset(
    """
    a an the and or of to is are with by at from for its it his her their there this that these those which
    while
    has have be being been into both each over under against beside behind between through as in on not but
    """.split()
)
# German and Dutch; French; Spanish, Portuguese and Italian.
FOREIGN: Final = frozenset(
    """
    der das den dem des ein eine einen einer einem und ist sind mit auf im von zu nicht auch sich wird werden
    ihre seine het een van zijn wordt naar uit ook niet deze

    le la les des une du est sont avec dans sur pour par qui aux ces cette ses son sa et au

    el los las una unos del con por para de que se su sus es y en uma os com não são ao da dos nas na il gli
    della delle di che sono nel alla um em ele ela seu sua à como mais
    """.split()
)
