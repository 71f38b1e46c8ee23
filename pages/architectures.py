"""Does every network need the same decay?"""

from wdviz.ui import page

page.show("architectures")
