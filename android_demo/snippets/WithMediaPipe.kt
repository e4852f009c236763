import android.content.Context
import android.graphics.Bitmap
import com.google.mediapipe.framework.image.BitmapImageBuilder
import com.google.mediapipe.tasks.core.BaseOptions
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier
import com.google.mediapipe.tasks.vision.imageclassifier.ImageClassifier.ImageClassifierOptions

class LesionImageClassifier(context: Context) : AutoCloseable {
    private val classifier = ImageClassifier.createFromOptions(
        context,
        ImageClassifierOptions.builder()
            .setBaseOptions(BaseOptions.builder().setModelAssetPath("edge-int8.tflite").build())
            .build(),
    )

    /** Probability by class, most probable first, for an ARGB_8888 bitmap: never a diagnosis. */
    fun classify(photo: Bitmap): Map<String, Float> {
        val heads = classifier.classify(BitmapImageBuilder(photo).build()).classificationResult().classifications()
        val classes = heads.first { it.headName().orElse("") == "probabilities" }
        return classes.categories().associate { it.categoryName() to it.score() }
    }

    override fun close() = classifier.close()
}
