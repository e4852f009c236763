import android.content.Context
import android.graphics.Bitmap
import java.nio.ByteBuffer
import java.nio.channels.FileChannel.MapMode.READ_ONLY
import org.skinedge.core.Classifier
import org.skinedge.core.ModelFile
import org.skinedge.core.PhotoReader
import org.skinedge.core.decide

class LesionClassifier(context: Context) : AutoCloseable {
    private val content: ByteBuffer = context.assets.openFd("edge-int8.tflite").use {
        it.createInputStream().channel.map(READ_ONLY, it.startOffset, it.declaredLength)
    }
    private val model = ModelFile.read(content)
    private val classifier = Classifier(model, content, threads = 2)
    private val photos = PhotoReader(classifier.inputWidth, classifier.inputHeight)
    private val answer = classifier.newAnswer()

    /** What the model answers for an upright photo of a lesion: a research figure, not a diagnosis. */
    fun classify(photo: Bitmap): String {
        val pixels = IntArray(photo.width * photo.height)
        photo.getPixels(pixels, 0, photo.width, 0, 0, photo.width, photo.height)
        photos.read(pixels, photo.width, photo.height, classifier.input)
        classifier.run(answer)
        val best = answer.probabilities.indices.maxBy { answer.probabilities[it] }
        val above = model.decide(answer.probabilities).filter { it.positive }.map { it.target }
        return "${model.labels[best].name}, ${answer.probabilities[best]}; above the threshold of: $above"
    }

    override fun close() = classifier.close()
}
