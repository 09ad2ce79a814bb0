import itertools

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from made_up import NAMES
from PIL import Image

from zsc_utils.datasets import load_dataset
from zsc_utils.study import encoders, figures, fine_tuning, silhouettes, tables, taxonomy, variance
from zsc_utils.study.figures import OTHER_METHOD


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def legend_texts(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


def bars(axes):
    """Mean and half-length of each error bar."""
    found = []
    for container in axes.containers:
        points = container.lines[0].get_ydata()
        segments = container.lines[2][0].get_segments()
        found += [
            (y, (high - low) / 2) for y, ((_, low), (_, high)) in zip(points, segments, strict=True)
        ]
    return found


def test_styles_are_by_method_and_backbone():
    facts = [
        ("a", "A", "ResNet", "DINO", None),
        ("b", "B", "ViT", "DINO", "a"),
        ("c", "C", "ViT", "random", None),
        ("d", "D", "ViT", "something new", None),
    ]
    columns = ["encoder", "encoder_name", "backbone", "method", "fine_tuned_from"]
    frame = pd.DataFrame(facts, columns=columns)
    styles = figures.encoder_styles(frame)
    assert styles["a"]["color"] == styles["b"]["color"] != styles["c"]["color"]
    assert styles["b"]["marker"] == styles["c"]["marker"] != styles["a"]["marker"]
    assert styles["a"]["linestyle"] != styles["b"]["linestyle"]
    assert styles["d"]["color"] == OTHER_METHOD
    assert styles["a"]["face"] == styles["a"]["color"] and styles["b"]["face"] == "white"


def test_ami_heatmap(table):
    figure = encoders.plot_ami_heatmap(encoders.ami_matrix(table))
    axes, bar = figure.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["A", "B", "C"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Reference", "Good"]
    cells = {text.get_text(): text.get_fontweight() for text in axes.texts[:6]}
    # Rows: 30 40, 10 50, 60 20.
    assert cells == {
        **dict.fromkeys(("40", "50", "60"), "bold"),
        **dict.fromkeys(("30", "10", "20"), "normal"),
    }
    assert [text.get_text() for text in axes.texts[6:]] == ["Near", "Far"]
    assert "AMI (%)" in bar.get_ylabel()


def test_ami_heatmap_writes_no_negative_zero(table):
    matrix = encoders.ami_matrix(table)
    matrix.iloc[0, 0] = -0.4
    texts = [text.get_text() for text in encoders.plot_ami_heatmap(matrix).axes[0].texts]
    assert "0" in texts and "-0" not in texts


def test_names_below_the_axis_have_room(table):
    """However few the groups, and with datasets absent, which makes the names longer."""
    table = table[table["group"] == "Near"].assign(group="Domain-shift")
    table = table.assign(encoder_name=table["encoder_name"] + " [FT], ViT-B/16")
    groups = [table.assign(group=name) for name in ("In-domain", "Domain-shift", "Far-OOD")]
    differences = encoders.group_differences(pd.concat(groups), "ref").assign(asked=9)
    figure = encoders.plot_difference_by_group(differences, figures.encoder_styles(table))
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes))


def test_ami_heatmap_with_a_hole(table):
    hole = (table["dataset"] == "a") & (table["encoder"] == "ref")
    axes = encoders.plot_ami_heatmap(encoders.ami_matrix(table[~hole])).axes[0]
    # Good is the only column, and so the best, in the first row.
    found = [(text.get_text(), text.get_fontweight()) for text in axes.texts[:5]]
    assert ("40", "bold") in found and ("50", "bold") in found and ("20", "normal") in found


def test_difference_by_group(table):
    found = encoders.group_differences(table, "ref")
    figure = encoders.plot_difference_by_group(found, figures.encoder_styles(table))
    (axes,) = figure.axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["Near\n(2 datasets)", "Far\n(1 dataset)"]
    assert bars(axes) == [pytest.approx((25, 15)), pytest.approx((-40, 0))]
    assert "Reference" in axes.get_ylabel()
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["Good"]


def test_difference_by_group_has_a_panel_for_each_reference(table):
    found = encoders.group_differences(table, "ref")
    both = pd.concat([found, found.assign(reference="good", encoder="ref", mean=-found["mean"])])
    figure = encoders.plot_difference_by_group(both, figures.encoder_styles(table))
    assert len(figure.axes) == 2
    assert "Reference" in figure.axes[0].get_ylabel() and "Good" in figure.axes[1].get_ylabel()
    assert bars(figure.axes[1])[0] == pytest.approx((-25, 15))


def test_a_group_without_one_reference_keeps_its_place(table):
    found = encoders.group_differences(table, "ref")
    only_far = found[found["group"] == "Far"].assign(reference="good", encoder="ref")
    figure = encoders.plot_difference_by_group(
        pd.concat([found, only_far]), figures.encoder_styles(table)
    )
    top, bottom = figure.axes
    assert [label.get_text()[:3] for label in bottom.get_xticklabels()] == ["Nea", "Far"]
    assert bottom.containers[0].lines[0].get_xdata()[0] == pytest.approx(1, abs=0.2)
    assert top.get_xlim() == bottom.get_xlim() == (-0.5, 1.5)


def test_nothing_to_compare(table):
    styles = figures.encoder_styles(table)
    none = encoders.group_differences(table, "absent")
    for figure in (
        encoders.plot_difference_by_group(none, styles),
        fine_tuning.plot_gains_by_group(none, styles),
    ):
        assert "no encoder" in figure.axes[0].texts[0].get_text()


def test_gains_by_group(table):
    table.loc[table["encoder"] == "good", "fine_tuned_from"] = "ref"
    gains = fine_tuning.fine_tuning_gains(table)
    figure = fine_tuning.plot_gains_by_group(gains, figures.encoder_styles(table))
    assert bars(figure.axes[0]) == [pytest.approx((25, 15)), pytest.approx((-40, 0))]
    assert "after − before" in figure.axes[0].get_ylabel()


STYLE = {"color": "k", "face": "k", "marker": "o", "linestyle": "-"}
STYLES = {
    "ref": STYLE | {"label": "Reference", "backbone": "net"},
    "tuned": STYLE | {"label": "Tuned", "backbone": "net", "face": "white"},
    "raw": STYLE | {"label": "Raw", "backbone": "none"},
    "other": STYLE | {"label": "Other", "backbone": "other net"},
    "last": STYLE | {"label": "Last", "backbone": "other net"},
}


def test_rows_by_backbone():
    assert figures.rows_by_backbone(STYLES) == {
        "net": ["ref", "tuned", "raw"],
        "other net": ["raw", "other", "last"],
    }
    alone = {name: STYLES[name] for name in ("ref", "raw")}
    assert figures.rows_by_backbone(alone) == {"": ["ref", "raw"]}


def test_ami_levels():
    def means(levels, *encoders):
        rows = [
            {"encoder": encoder, "level": level, "mean": 10.0 * i + j, "se": 1.0}
            for i, level in enumerate(levels, 1)
            for j, encoder in enumerate(encoders)
        ]
        return pd.DataFrame(rows)

    both = {
        "Tree": means(["coarse", "fine"], *STYLES),
        "Deep tree": means(["a", "b", "c"], *STYLES),
    }
    figure = taxonomy.plot_ami_levels(both, STYLES)
    top_left, top_right, bottom_left, _ = figure.axes
    assert [axes.get_title() for axes in (top_left, top_right)] == ["Tree", "Deep tree"]
    assert "net" in top_left.get_ylabel() and "± 1 SE" in top_left.get_ylabel()
    assert "other net" in bottom_left.get_ylabel()
    assert bars(top_left)[:2] == [pytest.approx((10, 1)), pytest.approx((20, 1))]
    assert len(bars(top_right)) == 3 * 3
    legend = [text.get_text() for text in top_right.get_legend().get_texts()]
    assert legend == ["Reference", "Tuned", "Raw"]
    assert "no dataset" in taxonomy.plot_ami_levels({}, STYLES).axes[0].texts[0].get_text()


def test_variance_curves():
    curve = variance.variance_curve([0.6, 0.3, 0.1], 6)
    curves = [
        curve.assign(dataset_name=name, encoder=encoder)
        for name in ("A", "B")
        for encoder in ("ref", "tuned")
    ]
    typical = variance.typical_curves(pd.concat(curves, ignore_index=True))
    figure = variance.plot_variance_curves(
        typical, {name: STYLES[name] for name in ("ref", "tuned")}
    )
    absolute, relative = figure.axes
    assert absolute.get_xscale() == relative.get_xscale() == "log"
    assert relative.lines[0].get_xdata()[-1] == pytest.approx(0.5)
    assert absolute.lines[0].get_ydata().tolist() == pytest.approx([0.6, 0.9, 1])
    assert [line.get_linestyle() for line in absolute.lines[:2]] == ["-", "--"]
    assert len(absolute.collections) == 2


def test_learning_curves():
    rows = [
        ("ref", "net", "pretraining", 1, 1.0, None),
        ("ref", "net", "pretraining", 2, 0.5, 40.0),
        ("tuned", "net", "fine-tuning", 1, 1.0, 60.0),
    ]
    names = ["encoder", "backbone", "stage", "epoch", "relative_loss", "knn"]
    figure = fine_tuning.plot_learning_curves(pd.DataFrame(rows, columns=names), STYLES)
    loss, tuned_loss, knn, tuned_knn = figure.axes
    assert loss.get_title() == "pretraining,\nnet" and tuned_loss.get_title().startswith("fine")
    assert loss.lines[0].get_ydata().tolist() == [1.0, 0.5]
    assert knn.lines[0].get_xdata().tolist() == [2] and "kNN" in knn.get_ylabel()
    assert tuned_knn.lines[0].get_markerfacecolor() == "white"
    assert legend_texts(figure) == ["Reference", "Tuned"]
    assert (
        "no encoder"
        in fine_tuning.plot_learning_curves(pd.DataFrame(), {}).axes[0].texts[0].get_text()
    )


def test_silhouette_ranks(following):
    correlation = silhouettes.silhouette_correlation(following, resamples=50)
    ranks = silhouettes.silhouette_ranks(following)
    figure = silhouettes.plot_silhouette_ranks(
        ranks, correlation, figures.encoder_styles(following)
    )
    assert len(figure.axes) == 4
    assert figure.axes[2].get_title().startswith("ρ = 1.00")
    assert figure.axes[3].get_title().startswith("ρ = -1.00")
    assert "original" in figure.axes[0].get_ylabel() and "UMAP" in figure.axes[2].get_ylabel()
    assert len(figure.axes[2].collections[0].get_offsets()) == 8
    assert legend_texts(figure) == [NAMES["ref"]]


def test_contact_sheet():
    figure = figures.contact_sheet(load_dataset("digits").subset(60), 5, 2, "digit")
    titles = [axes.get_title() for axes in figure.axes]
    assert len(titles) == 10 and titles == sorted(titles) and len(set(titles)) > 5


def test_contact_sheet_without_titles():
    figure = figures.contact_sheet(load_dataset("digits").subset(60), 5, 2, "digit", titles=False)
    assert not any(axes.get_title() for axes in figure.axes)


def test_saved_figures_are_the_same_bytes_each_time(tmp_path):
    def draw(folder):
        figure, axes = plt.subplots()
        axes.plot([1, 2])
        return figures.save_figure(figure, "01_line", tmp_path / folder)

    first, second = draw("one"), draw("two")
    assert [path.suffix for path in first] == [".pdf", ".png"]
    assert [a.read_bytes() == b.read_bytes() for a, b in zip(first, second, strict=True)] == [
        True
    ] * 2
    assert Image.open(first[1]).size[0] > 500


def test_saved_table(tmp_path):
    frame = pd.DataFrame({"A": [12.345]}, index=pd.Index(["x"], name="name"))
    csv, markdown, latex = tables.save(frame, "01_t", tmp_path)
    assert pd.read_csv(csv).loc[0, "A"] == 12.345
    assert markdown.read_text().splitlines()[-1].split() == ["|", "x", "|", "12.3", "|"]
    assert r"x & 12.3 \\" in latex.read_text()
