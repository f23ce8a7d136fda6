"""From an answer to what people read.

terminal.show(answer, console)    in a terminal, at any width
html.write(answer, folder)        report.html, one self-contained page
files.write(answer, folder)       each table as Parquet, CSV and LaTeX
figures.write(answer, folder)     each figure as SVG and, if asked for, PDF; notes in the place of what cannot be drawn
"""
