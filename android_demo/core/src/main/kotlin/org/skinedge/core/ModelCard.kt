package org.skinedge.core

import org.json.JSONException
import org.json.JSONObject

/**
 * One diagnosis.
 *
 * @property code the short name that outputs are known by, `mel`
 * @property name in words, `melanoma`
 */
data class Label(val code: String, val name: String, val malignant: Boolean)

/**
 * The smallest score that is called positive.
 *
 * @property target a label's code, or [MALIGNANT]
 * @property threshold 0 to 1
 * @property sensitivity on the validation split, 0 to 1
 * @property specificity on the validation split, 0 to 1; NaN where it is not defined
 */
data class Threshold(
    val target: String,
    val threshold: Double,
    val sensitivity: Double,
    val specificity: Double,
)

/**
 * How well the file does on images that it was not made from; NaN for what is not defined there.
 *
 * @property images how many
 * @property split the part of the dataset they are, `test`
 */
data class Metrics(
    val images: Int,
    val split: String,
    val balancedAccuracy: Double,
    val macroAuroc: Double,
    val melanomaAuroc: Double,
)

/** The target of the threshold on the summed probability of the malignant classes. */
const val MALIGNANT = "malignant"

/** What `skinedge.json`, packed into a model file, says; the Python library's `model_file` reads the same. */
internal class ModelCard(
    val flatbufferBytes: Int,
    val flatbufferCrc32: Long,
    val labels: List<Label>,
    val thresholds: List<Threshold>,
    val mapWidth: Int,
    val mapHeight: Int,
    val metrics: Metrics,
    val inputScale: Float,
    val inputZero: Float,
    val weights: String,
    val activations: String,
) {
    companion object {
        const val NAME = "skinedge.json"
        private const val SCHEMA = 1
        private val KEYS = listOf(
            "attention",
            "flatbuffer_bytes",
            "flatbuffer_crc32",
            "input",
            "labels",
            "metrics",
            "quantization",
            "thresholds",
        )

        /** @throws ModelFileException for text that is no card, or a card of another schema */
        fun parse(text: String): ModelCard =
            try {
                card(JSONObject(text))
            } catch (error: JSONException) {
                throw ModelFileException("the model's $NAME is damaged; export the model again", error)
            }

        private fun card(json: JSONObject): ModelCard {
            val schema = json.opt("schema")
            if (schema != SCHEMA) {
                throw ModelFileException(
                    "the model's $NAME has schema $schema, this app reads $SCHEMA; update the app or " +
                        "export the model again",
                )
            }
            val lacking = KEYS.filterNot(json::has)
            if (lacking.isNotEmpty()) {
                throw ModelFileException(
                    "the model's $NAME lacks ${lacking.joinToString()}; export the model again",
                )
            }
            val labels = json.list("labels", ::label)
            val map = json.optJSONObject("attention")
            val input = json.getJSONObject("input")
            val quantization = json.optJSONObject("quantization")
            return ModelCard(
                flatbufferBytes = json.getInt("flatbuffer_bytes"),
                flatbufferCrc32 = json.getLong("flatbuffer_crc32"),
                labels = labels,
                thresholds = json.list("thresholds") { threshold(it, labels) },
                mapWidth = map?.getInt("width") ?: 0,
                mapHeight = map?.getInt("height") ?: 0,
                metrics = metrics(json.getJSONObject("metrics")),
                inputScale = input.getDouble("scale").toFloat(),
                inputZero = input.getDouble("zero").toFloat(),
                weights = quantization?.getString("weights") ?: "float32",
                activations = quantization?.getString("activations") ?: "float32",
            )
        }

        private fun label(json: JSONObject) =
            Label(json.getString("code"), json.getString("name"), json.getBoolean("malignant"))

        private fun threshold(json: JSONObject, labels: List<Label>): Threshold {
            val target = json.getString("target")
            if (target != MALIGNANT && labels.none { it.code == target }) {
                throw ModelFileException(
                    "the model has a threshold for $target, which is none of its classes; export it again",
                )
            }
            return Threshold(
                target,
                json.getDouble("threshold"),
                json.getDouble("sensitivity"),
                json.number("specificity"),
            )
        }

        private fun metrics(json: JSONObject) =
            Metrics(
                json.getInt("images"),
                json.getString("split"),
                json.number("balanced_accuracy"),
                json.number("macro_auroc"),
                json.number("melanoma_auroc"),
            )

        private fun JSONObject.number(key: String) = if (isNull(key)) Double.NaN else getDouble(key)

        private fun <T> JSONObject.list(key: String, read: (JSONObject) -> T): List<T> {
            val array = getJSONArray(key)
            return List(array.length()) { read(array.getJSONObject(it)) }
        }
    }
}
