"""Why do smaller weights help?"""

from wdviz.ui import page

page.show("sensitivity")
