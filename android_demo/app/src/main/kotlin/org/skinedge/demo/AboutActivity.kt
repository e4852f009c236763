package org.skinedge.demo

import android.app.Activity
import android.os.Build
import android.os.Bundle
import android.view.LayoutInflater
import android.view.View
import android.view.ViewGroup
import android.widget.TextView
import org.skinedge.core.Metrics
import org.skinedge.core.ModelFile
import org.skinedge.core.ModelFileException
import org.skinedge.core.Threshold
import org.tensorflow.lite.TensorFlowLite
import kotlin.concurrent.thread

private const val LICENCE = "LICENSE.txt"

/** The model's card, versions, and licences. */
class AboutActivity : Activity() {
    override fun onCreate(saved: Bundle?) {
        super.onCreate(saved)
        setContentView(R.layout.activity_about)
        findViewById<View>(R.id.root).padForSystemBars()
        thread(name = "about") {
            val sections = modelSections() + appSections()
            runOnUiThread { sections.forEach { (heading, body) -> addSection(heading, body) } }
        }
    }

    private fun addSection(heading: Int, body: String) {
        val sections: ViewGroup = findViewById(R.id.sections)
        val section = LayoutInflater.from(this).inflate(R.layout.about_section, sections, false)
        section.findViewById<TextView>(R.id.heading).setText(heading)
        section.findViewById<TextView>(R.id.body).text = body
        sections.addView(section)
    }

    private fun modelSections(): List<Pair<Int, String>> {
        val asset = try {
            readModelAsset(assets)
        } catch (error: ModelFileException) {
            return listOf(R.string.model to error.message.orEmpty())
        }
        val file = asset.file
        val match =
            if (asset.matches) getString(R.string.sha256_matches)
            else getString(R.string.sha256_differs, asset.builtSha256)
        return listOf(
            R.string.model to "${file.name}, ${file.version}\n${file.description}",
            R.string.classes to classes(file),
            R.string.figures to figures(file.metrics),
            R.string.thresholds to file.thresholds.joinToString("\n", transform = ::threshold),
            R.string.model_licence to file.licence,
            R.string.sha256 to "${file.sha256}\n$match",
        )
    }

    private fun classes(file: ModelFile) = file.labels.joinToString("\n") {
        getString(if (it.malignant) R.string.malignant_class else R.string.benign_class, it.code, it.name)
    }

    /** NaN is what is not defined, such as a melanoma figure of a model without melanoma. */
    private fun figures(metrics: Metrics): String {
        val figures = listOf(
            R.string.balanced_accuracy to metrics.balancedAccuracy,
            R.string.macro_auroc to metrics.macroAuroc,
            R.string.melanoma_auroc to metrics.melanomaAuroc,
        )
        val lines = mutableListOf(getString(R.string.figures_of, metrics.split, metrics.images))
        for ((text, value) in figures) if (!value.isNaN()) lines += getString(text, value)
        return lines.joinToString("\n")
    }

    private fun threshold(rule: Threshold): String {
        val score = 100 * rule.threshold
        return if (rule.specificity.isNaN()) {
            getString(R.string.threshold_without_specificity, rule.target, score, rule.sensitivity)
        } else {
            getString(R.string.threshold, rule.target, score, rule.sensitivity, rule.specificity)
        }
    }

    private fun appSections(): List<Pair<Int, String>> {
        val app = packageManager.getPackageInfo(packageName, 0).versionName.orEmpty()
        val licence = assets.open(LICENCE).use { it.reader().readText() }
        return listOf(
            R.string.versions to
                getString(R.string.versions_of, app, TensorFlowLite.runtimeVersion(), Build.VERSION.RELEASE),
            R.string.privacy to getString(R.string.privacy_text),
            R.string.licences to getString(R.string.licences_text) + "\n\n" + licence,
        )
    }
}
