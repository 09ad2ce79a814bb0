"""What the study asks: one file for each notebook, with its numbers, its figure, its sentence.

In a section a number is a noun (`ami_by_group`), a number written for a table begins with
`written_`, a figure with `plot_`, and a sentence with `say_`. AMI is a fraction in the table of
results, and in percent here, as in the study.
"""

# What all sections share, then the sections as the notebooks stand: each imports only what stands
# before it.
COMMON = ("base", "stats", "figures", "tables")
SECTIONS = (
    *("samples", "encoders", "fine_tuning", "taxonomy", "variance", "silhouettes"),
    *("reductions", "clusterers", "label_levels", "backgrounds", "neighbours"),
    *("ledger", "claims", "sums_of_criteria", "without_labels", "expected_ami", "maps"),
    *("own_images", "published", "reference", "quotes"),
)
