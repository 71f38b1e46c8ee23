"""Does decay get along with dropout, batch norm, augmentation?"""

from wdviz.ui import page

page.show("combinations")
