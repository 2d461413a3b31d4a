"""Words that say little by themselves, of some languages that are written with spaces between words."""

# To read and to mend, a text is easier than a list of a hundred strings.
# ruff: noqa: SIM905

POINTING_BACK = frozenset(
    """
    it its this that these those they them their he him his she her there then former latter same such one ones
    es sie er ihn ihm ihr ihre ihren dies diese dieser dieses davon dafür dazu damit dort dessen deren
    il elle ils elles lui leur ce cela ça celui celle y esto eso este ese esta esa ello ellos ellas
    """.split()
)
"""Whoever asks with one of these means something that was said before."""

LITTLE_WORDS = POINTING_BACK | frozenset(
    """
    a an the and or but if of in on at to for from by with about as is are was were be been do does did has have had
    can could will would should may might must what which who whom whose when where why how many much long often
    i you we me my your our us not no yes also too more most any some all please tell explain give show thanks thank
    answer question document documents passage passages
    der die das den dem des ein eine einen einem einer und oder aber wenn von im am an zu zum zur für aus mit über
    als ist sind war waren sein wird werden hat haben hatte kann können wie wer wann wo warum welche welcher
    welches viel viele lange oft ich du wir mir mich dir mein dein unser nicht kein keine ja nein auch noch mehr bitte
    le la les un une et ou mais si de du dans sur à au aux pour par avec que qui quoi quand où pourquoi comment est
    sont el los las lo o pero del en con por para como cuando donde porque cual quien son
    """.split()
)
"""What no search and no comparison should turn on."""
